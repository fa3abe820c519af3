"""Which part of a DICOM frame may be kept, and the frame cut to it.

Scanners burn the patient's name into the frame, mostly beside the ultrasound image. What lies outside the declared
regions is cut away; inside, strokes as a scanner draws them are filled in. A frame that declares no region smaller
than itself is kept only where its header says that nothing is burned in, or the operator does.

References
----------
DICOM PS3.15 E.3.1 (Clean Pixel Data Option), PS3.3 C.7.6.1.1.12 and (0028,0301) Burned In Annotation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from integration.pixels import SourceImage, View
from models.preprocess import gray
from trainer.data.graphics import MAX_SHARE, graphics_mask, paint_over
from trainer.data.pictures import Change

if TYPE_CHECKING:
    from pydicom import Dataset

NO_REGION: Final = (
    "screen.no-region: no ultrasound region smaller than the frame is declared, and the header does not say that "
    "nothing is burned in"
)
TOO_MUCH: Final = "screen.too-much-text: text is burned in, and it cannot be told from the tissue"


def why_not(image: SourceImage, view: View, *, trusted: bool) -> str | None:
    """Why a view cannot be kept; None where it can.

    Parameters
    ----------
    trusted
        Whether the operator says that no frame of the source has a name burned in.
    """
    whole = view.width == image.columns and view.height == image.rows
    if trusted or not whole or burned_in(image.header) == "NO":
        return None
    return NO_REGION


def burned_in(header: Dataset) -> str:
    """(0028,0301) as the header has it: YES, NO or nothing."""
    return str(header.get("BurnedInAnnotation", "") or "").strip().upper()


def cut(image: SourceImage, frame: NDArray[np.uint8], view: View) -> tuple[NDArray[np.uint8], Change] | str:
    """A view of a frame, gray and without graphics, and what was done; or why it cannot be had.

    Parameters
    ----------
    frame
        (rows, columns) or (rows, columns, 3), as `SourceImage.frame` gives it.

    Returns
    -------
    tuple | str
        Picture (H, W) and the change; a reason where more was burned in than can be told from tissue.
    """
    inside = np.ascontiguousarray(gray(frame)[view.top : view.bottom + 1, view.left : view.right + 1])
    box = (view.left, view.top, view.right, view.bottom)
    stated = burned_in(image.header)
    if stated == "NO":
        return inside, Change(box=box)
    if stated == "YES" and graphics_mask(inside).mean() > MAX_SHARE:
        return TOO_MUCH
    painted = paint_over(inside)
    return painted, Change(box=box, painted_px=int((painted != inside).sum()))
