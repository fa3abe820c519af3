"""Lengths, areas, volumes and angles of points."""

from __future__ import annotations

from math import acos, degrees, pi

import numpy as np
from numpy.typing import NDArray

from models.findings import Measure


def extent(points: NDArray[np.float64], measure: Measure) -> float:
    """What a quantity's points span.

    Parameters
    ----------
    points
        (n, 2), in order.
    measure
        A length, a perimeter, an area, or a volume, whose points lie as `models.findings.Quantity` says.

    Returns
    -------
    float
        In the unit of the points, or its square for an area, its cube for a volume.

    Raises
    ------
    ValueError
        The measure is none of geometry.
    """
    following = np.roll(points, -1, axis=0)
    steps = np.hypot(*(following - points).T)
    match measure:
        case Measure.LENGTH:
            return float(steps[:-1].sum())
        case Measure.PERIMETER:
            return float(steps.sum())
        case Measure.AREA:
            return float(abs(np.sum(points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1])) / 2)
        case Measure.VOLUME:
            half = len(points) // 2
            length = np.hypot(*(points[half] - points[0]))
            widths = np.hypot(*(points[1:half] - points[:half:-1]).T)
            return float(pi / 4 * length * np.mean(widths**2))
        case Measure.NONE:
            raise ValueError("a quantity without geometry has no extent")


def angle_deg(points: NDArray[np.float64]) -> float | None:
    """The angle at the middle one of three points, or from the line of the first two to that of the last two of four.

    Parameters
    ----------
    points
        (3, 2) or (4, 2), in a space with square pixels.

    Returns
    -------
    float or None
        0 to 180; None where two points that give a direction are one.
    """
    if len(points) == 3:
        first, second = points[0] - points[1], points[2] - points[1]
    else:
        first, second = points[1] - points[0], points[3] - points[2]
    lengths = float(np.hypot(*first) * np.hypot(*second))
    if lengths <= 0:
        return None
    return degrees(acos(min(1.0, max(-1.0, float(first @ second) / lengths))))
