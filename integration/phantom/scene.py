"""What a phantom picture is: pixels, the exact truth in them, and the regions a scanner would declare.

Nothing here shows a patient: all is computed from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTruth:
    """The OUTER edge of the skull, an ellipse; pixels of the picture, millimetres of the body."""

    centre: Point  # px
    semi_axes: tuple[float, float]  # px, long then short
    angle_deg: float  # long axis from the x axis, clockwise on the screen (y runs down)
    hc_mm: float  # circumference
    bpd_mm: float  # short axis, outer to outer
    ofd_mm: float  # long axis, outer to outer

    def outline(self, count: int = 360) -> NDArray[np.float64]:
        """Points on the edge, shape (count, 2), pixels."""
        turn = np.linspace(0, 2 * pi, count, endpoint=False)
        along, across = self.semi_axes[0] * np.cos(turn), self.semi_axes[1] * np.sin(turn)
        tilt = radians(self.angle_deg)
        x = self.centre[0] + along * cos(tilt) - across * sin(tilt)
        y = self.centre[1] + along * sin(tilt) + across * cos(tilt)
        return np.stack([x, y], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MassTruth:
    """A breast mass: the outline is the scene's mask."""

    malignant: bool  # looks malignant; there is no tissue behind it
    longest_mm: float
    perpendicular_mm: float  # the longest chord at a right angle to the longest diameter
    longest: tuple[Point, Point]  # px
    perpendicular: tuple[Point, Point]  # px


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRegion:
    """A rectangle with a scale, as SequenceOfUltrasoundRegions (0018,6011) declares it; edges inclusive."""

    left: int
    top: int
    right: int
    bottom: int
    spatial_format: int  # (0018,6012): 1 two-dimensional, 3 spectral
    data_type: int  # (0018,6014): 1 tissue, 3 pulsed-wave Doppler spectrum
    units_x: int  # (0018,6024): 3 cm, 4 s
    units_y: int  # (0018,6026): 3 cm, 7 cm/s
    delta_x: float  # units a pixel
    delta_y: float
    reference_x: int = 0  # reference pixel, relative to the region's first
    reference_y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One picture with its truth."""

    pixels: NDArray[np.uint8]  # (rows, columns) or (rows, columns, 3) RGB
    mask: NDArray[np.bool_]  # (rows, columns): inside the skull's outer edge, or the mass
    truth: HeadTruth | MassTruth
    mm_per_pixel: tuple[float, float]  # (row, column) spacing of the tissue region
    regions: tuple[SceneRegion, ...]

    @property
    def colour(self) -> bool:
        return self.pixels.ndim == 3


def ellipse_perimeter(semi_long: float, semi_short: float) -> float:
    """Exact perimeter of an ellipse, by the arithmetic-geometric mean; the unit is that of the axes."""
    mean, geometric, weight = semi_long, semi_short, 0.5
    total = weight * (semi_long**2 - semi_short**2)
    while (gap := (mean - geometric) / 2) > 1e-12 * semi_long:
        weight *= 2
        mean, geometric = (mean + geometric) / 2, sqrt(mean * geometric)
        total += weight * gap**2
    return 2 * pi * (semi_long**2 - total) / mean


def ellipse_mask(truth: HeadTruth, rows: int, columns: int) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside the ellipse."""
    tilt = radians(truth.angle_deg)
    x = np.arange(columns, dtype=np.float32)[None, :] - np.float32(truth.centre[0])
    y = np.arange(rows, dtype=np.float32)[:, None] - np.float32(truth.centre[1])
    along = (x * np.float32(cos(tilt)) + y * np.float32(sin(tilt))) / np.float32(truth.semi_axes[0])
    across = (y * np.float32(cos(tilt)) - x * np.float32(sin(tilt))) / np.float32(truth.semi_axes[1])
    inside: NDArray[np.bool_] = along**2 + across**2 <= 1
    return inside


def diameters(mask: NDArray[np.bool_]) -> tuple[tuple[Point, Point], tuple[Point, Point]]:
    """Longest diameter of a mask and the longest chord perpendicular to it.

    Returns
    -------
    tuple of two pairs of points
        Pixels; the ends of the longest diameter, then those of the perpendicular chord.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)[:, 0, :].astype(np.float64)
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0, :].astype(np.float64)
    apart = np.hypot(*(hull[:, None, :] - hull[None, :, :]).transpose(2, 0, 1))
    first, second = np.unravel_index(int(np.argmax(apart)), apart.shape)
    start, end = hull[first], hull[second]
    axis = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    along, across = outline @ axis, outline @ np.array([-axis[1], axis[0]])
    bins = np.round(along - along.min()).astype(int)
    best: tuple[float, int, int] = (-1.0, 0, 0)
    for position in range(int(bins.max()) + 1):
        here = np.flatnonzero(bins == position)
        if here.size > 1:
            low, high = here[np.argmin(across[here])], here[np.argmax(across[here])]
            best = max(best, (float(across[high] - across[low]), int(low), int(high)))
    low_end, high_end = outline[best[1]], outline[best[2]]
    return ((_point(start), _point(end)), (_point(low_end), _point(high_end)))


def _point(row: NDArray[np.float64]) -> Point:
    return float(row[0]), float(row[1])
