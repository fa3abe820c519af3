"""Pictures of a stream, and files that came into a folder, as frames with their scale."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from integration.live.frame import LiveImage, SourceOptions
from integration.pixels import NotAnImage, PixelError, SourceImage, open_image, open_picture
from integration.pixels.views import find_views

BYTES_OF_COLOUR = 3
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
_DAMAGE = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)


def open_jpeg(data: bytes, options: SourceOptions) -> LiveImage:
    """Decode one JPEG picture.

    Parameters
    ----------
    data
        The whole picture; it is taken as it lies, whatever its EXIF says about a camera's turn.

    Raises
    ------
    NotAnImage
        Damaged or cut off.
    TooLarge, FrameTooSmall
        By the header, before memory is taken for the pixels.
    """
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
            columns, rows = picture.size
            options.check_pixels(rows, columns)
            options.limits.check(rows=rows, columns=columns, frames=1, frame_bytes=rows * columns * 3)
            pixels = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
    except _DAMAGE as error:
        raise NotAnImage(f"a frame is no whole JPEG picture ({type(error).__name__})") from error
    rows, columns = pixels.shape[:2]
    calibration = options.calibration
    return LiveImage(pixels=pixels, views=find_views(calibration.regions, rows, columns), calibration=calibration)


def open_file(path: Path, options: SourceOptions) -> LiveImage:
    """Decode a DICOM, PNG or JPEG file; of a cine its last frame, which is the newest.

    Raises
    ------
    PixelError
        One of its kinds: what is wrong with the file. Also where it has gone meanwhile.
    """
    try:
        with path.open("rb") as file:
            picture = file.read(4).startswith(PICTURES)
        image = _picture(path, options) if picture else open_image(path, options.limits)
        options.check_pixels(image.rows, image.columns)
        pixels = image.frame(image.number_of_frames)
    except PixelError:
        raise
    except OSError as error:
        raise NotAnImage(f"a file could not be read ({error.strerror}): was it taken away while it was new?") from error
    except Exception as error:
        # Libraries raise many kinds on damaged headers; one file that came in must not end a session.
        raise NotAnImage(f"a file is damaged ({type(error).__name__})") from error
    return LiveImage(pixels=pixels, views=image.views, calibration=image.calibration)


def _picture(path: Path, options: SourceOptions) -> SourceImage:
    if path.stat().st_size > options.max_frame_bytes:
        raise NotAnImage(f"a picture is larger than {options.max_frame_bytes} bytes: raise live.max_frame_bytes")
    # A picture is decoded when it is opened: the limit has to hold before that.
    limits = replace(options.limits, max_frame_bytes=options.max_frame_pixels * BYTES_OF_COLOUR)
    return open_picture(path, options.pixel_spacing, limits)
