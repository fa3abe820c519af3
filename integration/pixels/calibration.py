"""Millimetres, where the image proves them.

An ultrasound frame may show several regions, each with its own scale or with none that is spatial. A length or an
area is given only where one region's scale holds for all of its points. Where an instance declares no region at all,
its Pixel Spacing stands; the moment it declares one, only regions count.

References
----------
DICOM PS3.3 C.8.5.5 (US Region Calibration), 10.7.1.3 (Pixel Spacing values), C.7.6.3.1.7 (Pixel Aspect Ratio).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist, isclose, isfinite, pi
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from integration.pixels.regions import Point, Region, read_region

if TYPE_CHECKING:
    from pydicom import Dataset

Spacing: TypeAlias = tuple[float, float]  # mm between rows, mm between columns

_MM3_PER_ML = 1000.0
_SQUARE = 0.05  # cosine of the angle between axis and discs up to which a disc is but a thousandth too wide


class NotCalibrated(Exception):
    """No proven scale for these points; the message says why, in words fit for a report."""

    code = "pixels.not-calibrated"
    retryable = False


class Rectangle(Protocol):
    """Edges are pixel indices, both inclusive."""

    @property
    def left(self) -> int: ...
    @property
    def top(self) -> int: ...
    @property
    def right(self) -> int: ...
    @property
    def bottom(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All that an instance says about its scale."""

    regions: tuple[Region, ...] = ()
    spacing: Spacing | None = None  # used only where there are no regions
    aspect: float = 1.0  # height of a pixel by its width where no scale is known
    reason: str = "the image declares no ultrasound region and no pixel spacing"  # why there is no spacing

    @classmethod
    def from_spacing(cls, row_mm: float, column_mm: float) -> Self:
        """Calibration of a picture without regions.

        Parameters
        ----------
        row_mm
            Distance between the centres of neighbouring rows.
        column_mm
            Distance between the centres of neighbouring columns.

        Raises
        ------
        ValueError
            One is not a positive finite number.
        """
        if not _proper(row_mm) or not _proper(column_mm):
            raise ValueError(f"pixel spacing must be two positive numbers of mm, not {row_mm} and {column_mm}")
        return cls(spacing=(row_mm, column_mm))

    @classmethod
    def from_dataset(cls, ds: Dataset) -> Self:
        """Read regions, Pixel Spacing and Pixel Aspect Ratio; what cannot be read gives a reason, never an error."""
        rows, columns = int(ds.get("Rows", 0) or 0), int(ds.get("Columns", 0) or 0)
        try:
            items = list(ds.get("SequenceOfUltrasoundRegions") or ())
        except Exception:  # noqa: BLE001 - a sequence that cannot be parsed proves no scale
            return cls(reason="the sequence of ultrasound regions cannot be read", aspect=_aspect(ds))
        spacing, reason = _spacing(ds)
        regions = tuple(read_region(item, number, rows, columns) for number, item in enumerate(items, 1))
        return cls(regions=regions, spacing=spacing, reason=reason, aspect=_aspect(ds))

    def length_mm(self, points: Sequence[Point]) -> float:
        """Length of a polyline.

        Parameters
        ----------
        points
            Two or more (x, y) in pixels of the frame, (0, 0) at the centre of the first pixel.

        Returns
        -------
        float
            Sum of the segments' lengths in mm, x and y each with its own scale.

        Raises
        ------
        NotCalibrated
        """
        scale_x, scale_y = self._scale_over(points, least=2)
        in_mm = [(x * scale_x, y * scale_y) for x, y in points]
        return sum(dist(a, b) for a, b in pairwise(in_mm))

    def area_mm2(self, points: Sequence[Point]) -> float:
        """Area of a closed polygon that does not cross itself.

        Parameters
        ----------
        points
            Three or more corners in order, pixels; the last is joined to the first.

        Returns
        -------
        float
            mm2.

        Raises
        ------
        NotCalibrated
        """
        scale_x, scale_y = self._scale_over(points, least=3)
        # Corners are taken from the first one: large coordinates would eat the digits of a small area.
        x0, y0 = points[0]
        moved = [(x - x0, y - y0) for x, y in points]
        crossed = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*moved, moved[0]]))
        return abs(crossed) / 2 * scale_x * scale_y

    def volume_ml(self, points: Sequence[Point], beside: Sequence[Point] = ()) -> float:
        """Volume of a pile of round discs.

        Parameters
        ----------
        points
            As `models.findings.Quantity` has those of a volume: an end of the axis, one end of each disc, the other
            end of the axis, and the other ends of the discs in turned order.
        beside
            Points of what it is compared with, for which the same scale must hold.

        Returns
        -------
        float
            ml.

        Raises
        ------
        NotCalibrated
            No scale holds for all the points, or it is not the one that the discs were laid by: they are askew.
        """
        scale_x, scale_y = self._scale_over([*points, *beside], least=4)
        if len(points) < 4 or len(points) % 2:
            raise NotCalibrated(f"{len(points)} points are no pile of discs")
        in_mm = [(x * scale_x, y * scale_y) for x, y in points]
        half = len(points) // 2
        top, bottom = in_mm[0], in_mm[half]
        discs = list(zip(in_mm[1:half], reversed(in_mm[half + 1 :]), strict=True))
        if any(_cosine((top, bottom), disc) > _SQUARE for disc in discs):
            raise NotCalibrated("the picture was looked at as if its pixels had another shape than its scale says")
        mean = sum(dist(*disc) ** 2 for disc in discs) / len(discs)
        return pi / 4 * dist(top, bottom) * mean / _MM3_PER_ML

    def pixel_aspect(self, view: Rectangle) -> float:
        """Height of a pixel by its width in a view: above 1 where pixels are taller than wide; 1 where unknown."""
        for region in self.regions:
            if region.scale is not None and _covers(region, view):
                return region.scale[1] / region.scale[0]
        if not self.regions and self.spacing is not None:
            return self.spacing[0] / self.spacing[1]
        return self.aspect

    def _scale_over(self, points: Sequence[Point], *, least: int) -> tuple[float, float]:
        """mm a pixel along x and y that hold for all the points."""
        if len(points) < least:
            raise NotCalibrated(f"{len(points)} points are too few to measure, {least} are needed")
        if not all(isfinite(x) and isfinite(y) for x, y in points):
            raise NotCalibrated("a point has no finite position")
        if not self.regions:
            if self.spacing is None:
                raise NotCalibrated(self.reason)
            return self.spacing[1], self.spacing[0]
        return self._scale_in_one_region(points)

    def _scale_in_one_region(self, points: Sequence[Point]) -> tuple[float, float]:
        owners = [self._owners(point) for point in points]
        if not all(owners):
            lost = next((region.reason for region in self.regions if not region.inside), None)
            raise NotCalibrated(lost or "a point lies outside every ultrasound region that the image declares")
        touched = [region for region in self.regions if any(region in at_point for at_point in owners)]
        # One region must hold every point: two images side by side may share a scale and still not be one plane.
        whole = [region for region in touched if all(region in at_point for at_point in owners)]
        if not whole:
            raise NotCalibrated("the points do not all lie in one ultrasound region")
        scale = next((region.scale for region in whole if region.scale is not None), None)
        if scale is None:
            raise NotCalibrated(whole[0].reason or "the ultrasound region has no spatial scale")
        if any(not _same_scale(region.scale, scale) for region in touched):
            raise NotCalibrated("ultrasound regions of different scale overlap at a point")
        return scale

    def _owners(self, point: Point) -> list[Region]:
        """The regions that a point belongs to; where one has priority over another, only the first kind."""
        here = [region for region in self.regions if region.contains(point)]
        high = [region for region in here if not region.low_priority]
        return high or here


def _same_scale(one: tuple[float, float] | None, other: tuple[float, float]) -> bool:
    return one is not None and isclose(one[0], other[0], rel_tol=1e-6) and isclose(one[1], other[1], rel_tol=1e-6)


def _cosine(one: tuple[Point, Point], other: tuple[Point, Point]) -> float:
    """Of the angle between two lines, 0 to 1; 0 where one has no length."""
    (ax, ay), (bx, by) = ((end[0] - start[0], end[1] - start[1]) for start, end in (one, other))
    lengths = dist(*one) * dist(*other)
    return abs(ax * bx + ay * by) / lengths if lengths else 0.0


def _covers(region: Region, view: Rectangle) -> bool:
    return (
        region.left <= view.left
        and region.top <= view.top
        and region.right >= view.right
        and region.bottom >= view.bottom
    )


def _proper(number: float) -> bool:
    return isfinite(number) and number > 0


def _spacing(ds: Dataset) -> tuple[Spacing | None, str]:
    """Pixel Spacing, or why there is none.

    Imager Pixel Spacing is that of a detector and Nominal Scanned Pixel Spacing that of a scanned film: neither is a
    distance in the body, and neither is taken.
    """
    value = ds.get("PixelSpacing")
    if value:
        try:
            row_mm, column_mm = (float(part) for part in value)
        except (TypeError, ValueError):
            return None, "the pixel spacing is not two numbers"
        if _proper(row_mm) and _proper(column_mm):
            return (row_mm, column_mm), ""
        return None, "the pixel spacing is not two positive numbers"
    for keyword, of in (("ImagerPixelSpacing", "a detector"), ("NominalScannedPixelSpacing", "a scanned film")):
        if ds.get(keyword):
            return None, f"the image declares no ultrasound region, and its only spacing is that of {of}"
    return None, "the image declares no ultrasound region and no pixel spacing"


def _aspect(ds: Dataset) -> float:
    try:
        height, width = (float(part) for part in ds.PixelAspectRatio)
    except Exception:  # noqa: BLE001 - absent or unreadable: pixels are taken as square, as the standard has it
        return 1.0
    return height / width if _proper(height) and _proper(width) else 1.0
