"""The rectangles of a frame that a task should look at.

References
----------
DICOM PS3.3 C.8.5.5.1.1 (Region Spatial Format), C.8.5.5.1.2 (Region Data Type).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integration.pixels.regions import TWO_DIMENSIONAL, Region

LEAST_SIDE = 64  # px; smaller boxes are thumbnails and colour bars
_TISSUE, _COLOUR_FLOW = 1, 2
_SAME_SHARE = 0.8  # of the smaller rectangle


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A rectangle of the frame; edges are pixel indices, both inclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        return self.bottom - self.top + 1


def find_views(regions: Sequence[Region], rows: int, columns: int) -> tuple[View, ...]:
    """Each two-dimensional region of tissue or colour flow that is large enough, else the whole frame.

    A region that lies in another one of the same scale is the same picture (a colour box over tissue) and is left out;
    an inset of another scale is a picture of its own.
    """
    kept: list[Region] = []
    for region in sorted((region for region in regions if _worth(region)), key=_area, reverse=True):
        if not any(_same_picture(region, larger) for larger in kept):
            kept.append(region)
    in_order = [region for region in regions if region in kept]
    views = [View(left=r.left, top=r.top, right=r.right, bottom=r.bottom) for r in in_order]
    unique = tuple(dict.fromkeys(views))
    return unique or (View(left=0, top=0, right=columns - 1, bottom=rows - 1),)


def _worth(region: Region) -> bool:
    return (
        region.inside
        and region.spatial_format == TWO_DIMENSIONAL
        and region.data_type in (None, _TISSUE, _COLOUR_FLOW)
        and region.right - region.left + 1 >= LEAST_SIDE
        and region.bottom - region.top + 1 >= LEAST_SIDE
    )


def _area(region: Region) -> int:
    return (region.right - region.left + 1) * (region.bottom - region.top + 1)


def _same_picture(small: Region, large: Region) -> bool:
    width = min(small.right, large.right) - max(small.left, large.left) + 1
    height = min(small.bottom, large.bottom) - max(small.top, large.top) + 1
    if width <= 0 or height <= 0:
        return False
    return width * height >= _SAME_SHARE * _area(small) and small.scale == large.scale
