"""Where a probe's beams run, and how their samples become the pixels of a screen.

Tissue is imaged along beams: samples lie on a grid of range (rows) by beam (columns), and speckle is made there, so
that it grows wider with depth under a curved array as it does in life. Scan conversion then draws the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Grid: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The rectangle of the screen that shows tissue.

    Millimetres run right and down from the point of the skin in the middle of the probe; the screen shows that point
    at column `origin_x`, row `origin_y` (pixels, may lie outside).
    """

    rows: int
    columns: int
    mm_per_pixel: float
    origin_x: float
    origin_y: float

    def to_pixels(self, x_mm: float, z_mm: float) -> tuple[float, float]:
        """Pixel coordinates (x, y) of a point in the plane of the scan."""
        return self.origin_x + x_mm / self.mm_per_pixel, self.origin_y + z_mm / self.mm_per_pixel

    def grid_mm(self) -> tuple[Grid, Grid]:
        """Lateral and depth position in mm of each pixel's centre: two arrays that broadcast to (rows, columns)."""
        x = (np.arange(self.columns, dtype=np.float32) - np.float32(self.origin_x)) * np.float32(self.mm_per_pixel)
        z = (np.arange(self.rows, dtype=np.float32) - np.float32(self.origin_y)) * np.float32(self.mm_per_pixel)
        return x[None, :], z[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A curved array (`radius_mm` finite) or a linear one (`radius_mm` 0).

    Parameters
    ----------
    radius_mm
        Radius of the curved face; 0 for a linear array.
    half_span
        Half the field of view: degrees for a curved array, mm for a linear one.
    depth_mm
        Depth of the deepest sample below the face.
    ranges, beams
        Size of the sample grid.
    """

    radius_mm: float
    half_span: float
    depth_mm: float
    ranges: int
    beams: int

    @property
    def curved(self) -> bool:
        return self.radius_mm > 0

    @property
    def range_step_mm(self) -> float:
        return self.depth_mm / (self.ranges - 1)

    def sample_grid(self) -> tuple[Grid, Grid, Grid, Grid]:
        """Position and direction of all samples.

        Returns
        -------
        tuple of four arrays
            x and z in mm, each (ranges, beams), and the beams' unit direction, x and z part, each (1, beams).
        """
        depth = np.linspace(0, self.depth_mm, self.ranges, dtype=np.float32)[:, None]
        if not self.curved:
            x = np.linspace(-self.half_span, self.half_span, self.beams, dtype=np.float32)[None, :]
            shape = (self.ranges, self.beams)
            ones = np.ones((1, self.beams), np.float32)
            return np.broadcast_to(x, shape).copy(), np.broadcast_to(depth, shape).copy(), ones * 0, ones
        half = radians(self.half_span)
        angle = np.linspace(-half, half, self.beams, dtype=np.float32)[None, :]
        reach = depth + np.float32(self.radius_mm)
        return (
            reach * np.sin(angle),
            reach * np.cos(angle) - np.float32(self.radius_mm),
            np.sin(angle),
            np.cos(angle),
        )

    def screen_map(self, canvas: Canvas) -> tuple[Grid, Grid]:
        """For each pixel of the canvas the beam and range (fractional grid indices) it shows, for `cv2.remap`."""
        x, z = canvas.grid_mm()
        shape = (canvas.rows, canvas.columns)
        if not self.curved:
            across = (x + self.half_span) / (2 * self.half_span)
            along = z / self.depth_mm
        else:
            half = radians(self.half_span)
            below = z + self.radius_mm
            across = (np.arctan2(x, below) + half) / (2 * half)
            along = (np.hypot(x, below) - self.radius_mm) / self.depth_mm
        beam = np.broadcast_to(across * (self.beams - 1), shape).astype(np.float32)
        reach = np.broadcast_to(along * (self.ranges - 1), shape).astype(np.float32)
        return np.ascontiguousarray(beam), np.ascontiguousarray(reach)


def scan_convert(samples: NDArray[np.uint8], screen: tuple[Grid, Grid]) -> NDArray[np.uint8]:
    """Draw beam samples on the screen; what no beam reaches stays black."""
    drawn = cv2.remap(samples, screen[0], screen[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return drawn.astype(np.uint8, copy=False)
