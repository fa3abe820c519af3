"""What a map of the square marks, in the whole source frame: masks, shares and areas."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.findings import Point
from models.frames import Place
from models.geometry.outline import LEVEL
from models.readers.coordinates import as_points, held_in_view, to_frame

ROUNDING = 1e-6  # px: what arithmetic may have added to a corner


def mask_in_frame(likely: NDArray[np.float32], place: Place) -> NDArray[np.bool_]:
    """Where a map (S, S) of the square reaches `LEVEL`, in the whole frame: (rows, columns).

    The map is interpolated before it is cut, so that an edge lies between pixels of the square where it should.
    """
    return likely_in_frame(likely, place) >= LEVEL


def likely_in_frame(likely: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    """A map (S, S) of the square in the whole frame, (rows, columns); 0 outside the looked-at view."""
    left, top, right, bottom = place.view
    size = (right - left + 1, bottom - top + 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REPLICATE  # a structure that runs out of the picture ends with it, not half a pixel before
    whole = np.zeros((place.rows, place.columns), np.float32)
    whole[top : bottom + 1, left : right + 1] = cv2.warpAffine(
        likely, place.box.matrix(), size, flags=flags, borderMode=edge
    )
    return whole


def outline_in_frame(points: NDArray[np.float64], place: Place) -> tuple[Point, ...]:
    """A polygon (n, 2) of the square in the whole frame, held inside the view."""
    return as_points(held_in_view(to_frame(points, place), place))


def shares_of_view(parts: NDArray[np.integer], count: int, place: Place) -> NDArray[np.float64]:
    """The shares of the looked-at view that numbered parts of the square take, 0 to 1.

    What a network marks in the margin beside the picture is not part of it.

    Parameters
    ----------
    parts
        (S, S), the number of the part that each pixel of the square belongs to, from 0.
    count
        How many numbers there are.
    """
    left, top, right, bottom = place.view
    corners = np.array([[-0.5, -0.5], [right - left + 0.5, bottom - top + 0.5]])
    in_square = corners * [place.box.scale_x, place.box.scale_y] + [place.box.shift_x, place.box.shift_y]
    (x0, y0), (x1, y1) = np.ceil(in_square - ROUNDING).astype(int).clip(0, parts.shape[0])
    there = parts[y0:y1, x0:x1]
    shares: NDArray[np.float64] = np.bincount(there.ravel(), minlength=count) / max(1, there.size)
    return shares


def share_of_view(marked: NDArray[np.bool_], place: Place) -> float:
    """The share of the looked-at view that is marked in the square (S, S), 0 to 1."""
    return float(shares_of_view(marked.astype(np.uint8), 2, place)[1])
