"""Which part of a DICOM frame may be kept, and the frame cut to it.

Scanners burn the patient's name into the frame, mostly beside the ultrasound image. What lies outside the declared
regions is cut away; inside, what lies beside the scanned area is blackened, and strokes in it as a scanner draws them
are filled in. A frame that declares no region smaller than itself is kept only where its header says that nothing is
burned in, or the operator does.

References
----------
DICOM PS3.15 E.3.1 (Clean Pixel Data Option), PS3.3 C.7.6.1.1.12 and (0028,0301) Burned In Annotation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.pixels import SourceImage, View
from models.preprocess import gray
from trainer.data.changes import painted_boxes
from trainer.data.graphics import MAX_SHARE, graphics_mask, paint_over
from trainer.data.pictures import Change

if TYPE_CHECKING:
    from pydicom import Dataset

NO_REGION: Final = (
    "screen.no-region: no ultrasound region smaller than the frame is declared, and the header does not say that "
    "nothing is burned in"
)
EMPTY: Final = "screen.empty: no scanned area is found, only black and what may be text"
DARK: Final = 10  # gray levels; the black beside a scanned area is not quite black after lossy compression
GAP_PX: Final = 21  # dark gaps within a scanned area that are bridged
LEAST_AREA: Final = 0.03  # of the view; smaller parts are a line of text
LEAST_FILLED: Final = 0.3  # bright share of a scanned area: columns of text have 0.1, hearts with their cavities 0.5
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
    """A view of a frame, gray and without what a scanner writes, and what was done; or why it cannot be had.

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
    area = scanned_area(inside)
    if area is None:
        return EMPTY
    alone = np.where(area, inside, 0).astype(np.uint8)
    if burned_in(image.header) == "YES" and graphics_mask(alone).mean() > MAX_SHARE:
        return TOO_MUCH
    painted = paint_over(alone)
    box = (view.left, view.top, view.right, view.bottom)
    where = painted_boxes(inside, painted, view.left, view.top)
    return painted, Change(box=box, painted_px=int((painted != inside).sum()), painted=where)


def scanned_area(picture: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The convex outline of the largest connected bright part, (H, W); None where there is none.

    Scanners show a rectangle, a sector or a trapezium on black, and write beside it.
    """
    bright = (cv2.medianBlur(picture, 5) > DARK).astype(np.uint8)
    joined = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((GAP_PX, GAP_PX), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count < 2:
        return None
    largest = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    area = np.zeros(picture.shape, np.uint8)
    cv2.fillConvexPoly(area, cv2.convexHull(np.concatenate(list(outlines))), 1)
    found: NDArray[np.bool_] = area > 0
    seen = float(found.mean()) >= LEAST_AREA and float(bright[found].mean()) >= LEAST_FILLED
    return found if seen else None
