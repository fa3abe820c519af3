"""The regions that an ultrasound image declares, each with its scale or with the reason why it has none.

References
----------
DICOM PS3.3 C.8.5.5 (US Region Calibration).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pydicom import Dataset

Point: TypeAlias = tuple[float, float]

MM_PER_CM = 10.0
CENTIMETRE = 3  # PhysicalUnitsXDirection (0018,6024)
TWO_DIMENSIONAL = 1  # RegionSpatialFormat (0018,6012)
_LOW_PRIORITY = 1  # bit 0 of RegionFlags (0018,6016)
_UNIT_NAMES = {
    0: "nothing",
    1: "percent",
    2: "dB",
    3: "cm",
    4: "seconds",
    5: "hertz",
    6: "dB/s",
    7: "cm/s",
    8: "cm2",
    9: "cm2/s",
    10: "cm3",
    11: "cm3/s",
    12: "degrees",
}
_FORMAT_NAMES = {0: "nothing spatial", 2: "an M-mode trace", 3: "a spectrum", 4: "a wave form", 5: "graphics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One item of SequenceOfUltrasoundRegions: a rectangle of the frame, and its scale where it has a spatial one.

    Edges are pixel indices, both inclusive; a pixel's centre is at its index.
    """

    left: int
    top: int
    right: int
    bottom: int
    mm_per_pixel_x: float | None = None
    mm_per_pixel_y: float | None = None
    reason: str | None = None  # why there is no scale, in words for the report
    data_type: int | None = None  # (0018,6014)
    spatial_format: int | None = None  # (0018,6012)
    low_priority: bool = False  # another region owns the pixels they share
    inside: bool = True  # the rectangle lies in the frame

    @property
    def scale(self) -> tuple[float, float] | None:
        """mm a pixel along x and y; None where no length is proven."""
        if self.mm_per_pixel_x is None or self.mm_per_pixel_y is None:
            return None
        return self.mm_per_pixel_x, self.mm_per_pixel_y

    def contains(self, point: Point) -> bool:
        """Whether a point lies on the region's pixels, their outer halves included."""
        x, y = point
        return self.left - 0.5 <= x <= self.right + 0.5 and self.top - 0.5 <= y <= self.bottom + 0.5


def read_region(item: Dataset, number: int, rows: int, columns: int) -> Region:
    """One region; `number` counts from 1, for the words."""
    try:
        left, top = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
        right, bottom = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
    except Exception:  # noqa: BLE001 - a rectangle that cannot be read is one reason, whatever pydicom raised
        return Region(
            left=0,
            top=0,
            right=-1,
            bottom=-1,
            inside=False,
            reason=f"the place of ultrasound region {number} is missing or cannot be read",
        )
    # Some scanners write the first pixel beyond the region where the standard wants the last one in it.
    inside = 0 <= left < right <= columns and 0 <= top < bottom <= rows
    reason = (
        None if inside else f"ultrasound region {number} does not lie in the frame, which may have been cut or resized"
    )
    spatial_format, data_type = _whole(item, "RegionSpatialFormat"), _whole(item, "RegionDataType")
    scale_x, scale_y = None, None
    if reason is None:
        reason = _why_not_spatial(item, number, spatial_format)
    if reason is None:
        scale_x, scale_y = float(item.PhysicalDeltaX) * MM_PER_CM, float(item.PhysicalDeltaY) * MM_PER_CM
    return Region(
        left=left,
        top=top,
        right=min(right, columns - 1) if inside else right,
        bottom=min(bottom, rows - 1) if inside else bottom,
        mm_per_pixel_x=scale_x,
        mm_per_pixel_y=scale_y,
        reason=reason,
        data_type=data_type,
        spatial_format=spatial_format,
        low_priority=bool((_whole(item, "RegionFlags") or 0) & _LOW_PRIORITY),
        inside=inside,
    )


def _why_not_spatial(item: Dataset, number: int, spatial_format: int | None) -> str | None:
    if spatial_format is not None and spatial_format != TWO_DIMENSIONAL:
        shown = _FORMAT_NAMES.get(spatial_format, f"the unknown format {spatial_format}")
        return f"ultrasound region {number} shows {shown}, not a two-dimensional image"
    units = _whole(item, "PhysicalUnitsXDirection"), _whole(item, "PhysicalUnitsYDirection")
    if units != (CENTIMETRE, CENTIMETRE):
        across, down = (_unit_name(unit) for unit in units)
        return f"ultrasound region {number} measures {across} across and {down} down, not cm"
    for keyword, way in (("PhysicalDeltaX", "across"), ("PhysicalDeltaY", "down")):
        try:
            delta = float(item[keyword].value)
        except Exception:  # noqa: BLE001 - missing, empty and unreadable are one reason
            return f"ultrasound region {number} says no size of a pixel {way}"
        if not isfinite(delta) or delta == 0:
            return f"ultrasound region {number} gives a pixel no size {way} (0 cm)"
        if delta < 0:
            return f"ultrasound region {number} gives a pixel a negative size {way}, which is not taken for a length"
    return None


def _unit_name(unit: int | None) -> str:
    return "no unit" if unit is None else _UNIT_NAMES.get(unit, f"an unknown unit (code {unit})")


def _whole(item: Dataset, keyword: str) -> int | None:
    try:
        value = item.get(keyword)
        return None if value is None or value == "" else int(value)
    except Exception:  # noqa: BLE001 - an element that cannot be read says nothing
        return None
