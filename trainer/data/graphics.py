"""Burned-in calipers and text: painting real ones over, and drawing false ones anywhere.

Sonographers leave calipers at a lesion's edges. A network that finds the caliper has not found the lesion, so it
learns on pictures without them, and with some in places that mean nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_SHARE = 0.04  # of a picture: above it the bright thin parts are tissue, not graphics
MIN_ABOVE = 60  # gray levels of a stroke over the brightest tissue beside it
MAX_MARK_PX = 700  # area of one connected mark
MARKER_KINDS = (cv2.MARKER_CROSS, cv2.MARKER_TILTED_CROSS, cv2.MARKER_STAR, cv2.MARKER_TRIANGLE_DOWN)


def graphics_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where thin and very bright strokes are, as drawn by a scanner: (H, W) of a gray (H, W) picture."""
    raised = cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, np.ones((9, 9), np.uint8))
    strokes = ((raised > 70) & (picture > 130)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    tissue = np.where(cv2.dilate(strokes, np.ones((3, 3), np.uint8)) > 0, 0, picture).astype(np.uint8)
    brightest = cv2.dilate(cv2.medianBlur(tissue, 3), np.ones((15, 15), np.uint8)).astype(np.float32)
    above = picture.astype(np.float32) - brightest
    keep = np.zeros(count, bool)
    for i in range(1, count):
        inside = labels == i
        keep[i] = 5 <= int(stats[i, cv2.CC_STAT_AREA]) <= MAX_MARK_PX and float(above[inside].max()) > MIN_ABOVE
    found: NDArray[np.bool_] = keep[labels]
    return found


def paint_over(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with its graphics filled in from round about; deterministic.

    Parameters
    ----------
    picture
        (H, W), gray.

    Returns
    -------
    NDArray
        (H, W); the same array where nothing was found.
    """
    found = graphics_mask(picture)
    if not found.any() or found.mean() > MAX_SHARE:
        return picture
    wide = cv2.dilate(found.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(cv2.inpaint(picture, wide, 3, cv2.INPAINT_TELEA), dtype=np.uint8)


def draw_graphics(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A copy with calipers, dotted lines, arrows and text where chance puts them."""
    out = picture.copy()
    height, width = out.shape
    for _ in range(int(rng.integers(1, 6))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        shade = int(rng.integers(150, 256))
        kind = int(rng.integers(4))
        if kind == 0:
            _caliper(out, (x, y), shade, rng)
        elif kind == 1:
            cv2.drawMarker(out, (x, y), shade, MARKER_KINDS[int(rng.integers(4))], int(rng.integers(4, 12)), 1)
        elif kind == 2:
            cv2.putText(out, _words(rng), (x, y), cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.25, 0.5)), shade, 1)
        else:
            tip = (x + int(rng.integers(-14, 15)), y + int(rng.integers(-14, 15)))
            cv2.arrowedLine(out, (x, y), tip, shade, 1, tipLength=0.4)
    return out


def _caliper(out: NDArray[np.uint8], start: tuple[int, int], shade: int, rng: np.random.Generator) -> None:
    end = (start[0] + int(rng.integers(-90, 91)), start[1] + int(rng.integers(-90, 91)))
    marker, size = MARKER_KINDS[int(rng.integers(2))], int(rng.integers(5, 11))
    for place in (start, end):
        cv2.drawMarker(out, place, shade, marker, size, 1)
    if rng.random() < 0.5:
        for share in np.linspace(0, 1, int(rng.integers(8, 24))):
            x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
            cv2.circle(out, (int(x), int(y)), 0, shade, -1)


def _words(rng: np.random.Generator) -> str:
    if rng.random() < 0.4:
        return f"{rng.uniform(1, 60):.1f}mm"
    return "".join(chr(int(rng.integers(65, 91))) for _ in range(int(rng.integers(2, 11))))
