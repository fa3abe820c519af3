"""What a map of the square marks, in the whole source frame: masks, shares and areas."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.findings import Point
from models.frames import Place
from models.geometry.outline import LEVEL
from models.readers.coordinates import as_points, held_in_view, to_frame


def mask_in_frame(likely: NDArray[np.float32], place: Place) -> NDArray[np.bool_]:
    """Where a map (S, S) of the square reaches `LEVEL`, in the whole frame: (rows, columns).

    The map is interpolated before it is cut, so that an edge lies between pixels of the square where it should.
    """
    left, top, right, bottom = place.view
    size = (right - left + 1, bottom - top + 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REPLICATE  # a structure that runs out of the picture ends with it, not half a pixel before
    likely_there = cv2.warpAffine(likely, place.box.matrix(), size, flags=flags, borderMode=edge)
    whole = np.zeros((place.rows, place.columns), bool)
    whole[top : bottom + 1, left : right + 1] = likely_there >= LEVEL
    return whole


def outline_in_frame(points: NDArray[np.float64], place: Place) -> tuple[Point, ...]:
    """A polygon (n, 2) of the square in the whole frame, held inside the view."""
    return as_points(held_in_view(to_frame(points, place), place))


def share_of_view(pixels: float, place: Place) -> float:
    """The share of the looked-at view that so many pixels of the square are, 0 to 1."""
    left, top, right, bottom = place.view
    seen = place.box.scale_x * (right - left + 1) * place.box.scale_y * (bottom - top + 1)
    return pixels / max(1.0, seen)
