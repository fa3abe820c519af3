"""An ellipse through the edge of a structure.

References
----------
Halíř, Flusser, "Numerically stable direct least squares fitting of ellipses", WSCG 1998 (as OpenCV's
`fitEllipseDirect` has it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

TRIM = 2.5  # standard deviations; points farther from the first fit are left out of the second
ENOUGH = 12  # points


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipse:
    """Centre, semi-axes and lie; in a space with square pixels."""

    x: float
    y: float
    semi_long: float
    semi_short: float
    angle_deg: float  # of the long axis from the x axis, towards y

    def inset(self, by: float) -> Ellipse:
        """The ellipse inside of this one at that distance along its axes; none smaller than a point."""
        return replace(self, semi_long=max(self.semi_long - by, 0.0), semi_short=max(self.semi_short - by, 0.0))

    def at(self, turn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 2) on the edge at the parameters `turn`, radians, from the long axis."""
        along, across = self.semi_long * np.cos(turn), self.semi_short * np.sin(turn)
        c, s = cos(radians(self.angle_deg)), sin(radians(self.angle_deg))
        return np.stack([self.x + along * c - across * s, self.y + along * s + across * c], axis=1)


def fit_ellipse(points: NDArray[np.float64]) -> Ellipse | None:
    """Least-squares ellipse through points (n, 2), once more without its outliers; None where there is none."""
    first = _fit(points)
    if first is None:
        return None
    off = np.abs(_radius(first, points) - 1)
    kept = points[off <= TRIM * max(float(np.sqrt(np.mean(off**2))), 1e-6)]
    return _fit(kept) or first


def outline_points(ellipse: Ellipse, count: int) -> NDArray[np.float64]:
    """A closed polygon on the ellipse, (count, 2)."""
    return ellipse.at(np.linspace(0, 2 * pi, count, endpoint=False))


def overlap(ellipse: Ellipse, mask: NDArray[np.bool_]) -> float:
    """Intersection over union of the filled ellipse and a mask (H, W) of the same space."""
    y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]]
    filled = inside(ellipse, np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)).reshape(mask.shape)
    union = np.count_nonzero(filled | mask)
    return float(np.count_nonzero(filled & mask) / union) if union else 0.0


def inside(ellipse: Ellipse, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (n, 2) lie in the ellipse or on its edge."""
    within: NDArray[np.bool_] = _radius(ellipse, points) <= 1
    return within


def _fit(points: NDArray[np.float64]) -> Ellipse | None:
    if len(points) < ENOUGH:
        return None
    (x, y), (first, second), angle = cv2.fitEllipseDirect(points.astype(np.float32))
    values = np.array([x, y, first, second, angle])
    if not np.isfinite(values).all() or min(first, second) <= 0:
        return None
    if first < second:
        first, second, angle = second, first, angle + 90
    return Ellipse(x=x, y=y, semi_long=first / 2, semi_short=second / 2, angle_deg=(angle + 90) % 180 - 90)


def _radius(ellipse: Ellipse, points: NDArray[np.float64]) -> NDArray[np.float64]:
    c, s = cos(radians(ellipse.angle_deg)), sin(radians(ellipse.angle_deg))
    dx, dy = points[:, 0] - ellipse.x, points[:, 1] - ellipse.y
    radius: NDArray[np.float64] = np.hypot(
        (dx * c + dy * s) / ellipse.semi_long, (dy * c - dx * s) / ellipse.semi_short
    )
    return radius
