"""PNG and JPEG pictures as images without a patient."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

from integration.pixels.calibration import Calibration
from integration.pixels.errors import NotAnImage
from integration.pixels.limits import DEFAULT_LIMITS, Limits
from integration.pixels.source import SourceImage

_FORMATS = ("PNG", "JPEG")


def open_picture(path: Path, pixel_spacing: tuple[float, float] | None, limits: Limits = DEFAULT_LIMITS) -> SourceImage:
    """Open a PNG or JPEG file.

    Parameters
    ----------
    path
        The file.
    pixel_spacing
        Distance between rows and between columns in mm, or None where it is not known.
    limits
        Sizes beyond which it is refused.

    Raises
    ------
    NotAnImage
        Not PNG or JPEG, or damaged.
    TooLarge, FrameTooSmall
    ValueError
        The spacing is not two positive numbers.
    """
    calibration = (
        Calibration.from_spacing(*pixel_spacing)
        if pixel_spacing is not None
        else Calibration(reason="no pixel spacing was given for the picture")
    )
    try:
        data = path.read_bytes()
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            columns, rows = picture.size
            limits.check(rows=rows, columns=columns, frames=1, frame_bytes=rows * columns * 3)
            pixels = _upright(picture)
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotAnImage(f"the file is not a whole PNG or JPEG picture ({type(error).__name__})") from error
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.Modality = "OT"
    header.NumberOfFrames = 1
    header.Rows, header.Columns = pixels.shape[:2]
    return SourceImage(
        header, rows=pixels.shape[0], columns=pixels.shape[1], calibration=calibration, read=lambda _: pixels.copy()
    )


def _upright(picture: Image.Image) -> NDArray[np.uint8]:
    """Gray stays gray, sixteen bits become eight, all else becomes RGB; the camera's EXIF turn is undone."""
    turned = ImageOps.exif_transpose(picture)
    if turned.mode in ("I;16", "I;16B", "I;16L", "I"):
        return (np.asarray(turned).astype(np.uint32) >> 8).astype(np.uint8)
    if turned.mode in ("L", "1", "LA"):
        return np.asarray(turned.convert("L"))
    return np.asarray(turned.convert("RGB"))
