"""Points of the square that a network saw as pixels of the whole source frame, and whether they lie in the view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.findings import Point
from models.frames import Place


def to_frame(points: NDArray[np.float64], place: Place) -> NDArray[np.float64]:
    """Points (n, 2) of the square, x and y, to pixels of the frame; they may lie outside it."""
    return place.box.to_source(points) + np.array([place.view[0], place.view[1]], dtype=np.float64)


def held_in_view(points: NDArray[np.float64], place: Place) -> NDArray[np.float64]:
    """Points (n, 2) of the frame, those outside the looked-at view moved to its edge."""
    left, top, right, bottom = place.view
    held: NDArray[np.float64] = np.clip(points, [left, top], [right, bottom])
    return held


def outside_view(points: NDArray[np.float64], place: Place, slack_px: float = 0.5) -> NDArray[np.bool_]:
    """Which of the points (n, 2) of the frame lie farther than `slack_px` outside the looked-at view."""
    off: NDArray[np.bool_] = np.abs(points - held_in_view(points, place)).max(axis=1) > slack_px
    return off


def as_points(points: NDArray[np.float64]) -> tuple[Point, ...]:
    """An array (n, 2) as findings carry it."""
    return tuple((float(x), float(y)) for x, y in points)
