"""What to look at, when it was taken, and quantities in physical units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from integration.pixels import Calibration, Region, View, in_physical_units
from integration.pixels.timing import read_frame_times
from integration.pixels.views import find_views
from models.findings import Code, Measure, NoFinding, Quantity

WHOLE = View(left=0, top=0, right=639, bottom=479)


def region(left: int, top: int, right: int, bottom: int, scale: float | None = 0.2, **more: Any) -> Region:
    more = {"spatial_format": 1, "data_type": 1, **more}
    return Region(left=left, top=top, right=right, bottom=bottom, mm_per_pixel_x=scale, mm_per_pixel_y=scale, **more)


def edges(*regions: Region) -> list[tuple[int, int, int, int]]:
    return [(v.left, v.top, v.right, v.bottom) for v in find_views(regions, 480, 640)]


def test_views__no_region__is_the_whole_frame() -> None:
    assert find_views([], 480, 640) == (WHOLE,)


def test_views__each_image_region__in_the_order_of_the_file() -> None:
    assert edges(region(320, 0, 639, 400), region(0, 0, 319, 400)) == [(320, 0, 639, 400), (0, 0, 319, 400)]


@pytest.mark.parametrize(
    "left_out",
    [
        region(0, 0, 62, 400),
        region(0, 0, 400, 62),
        region(0, 0, 400, 400, spatial_format=3),
        region(0, 0, 400, 400, data_type=10),
        region(0, 0, 400, 400, inside=False),
    ],
    ids=["narrow", "low", "spectrum", "trace", "beyond the frame"],
)
def test_views__what_is_no_image__is_left_out(left_out: Region) -> None:
    assert edges(left_out) == [(0, 0, 639, 479)]
    assert edges(left_out, region(100, 100, 300, 300)) == [(100, 100, 300, 300)]


def test_views__colour_box_over_tissue__is_the_same_picture() -> None:
    assert edges(region(50, 50, 200, 200, data_type=2), region(0, 0, 400, 400)) == [(0, 0, 400, 400)]


def test_views__declared_twice__is_one() -> None:
    assert edges(region(0, 0, 400, 400), region(0, 0, 400, 400, scale=0.3)) == [(0, 0, 400, 400)]


def test_views__zoom_inset_of_another_scale__is_a_view_of_its_own() -> None:
    inset = region(300, 300, 399, 399, scale=0.1)

    assert edges(region(0, 0, 400, 400), inset) == [(0, 0, 400, 400), (300, 300, 399, 399)]


def test_views__without_scale__are_still_looked_at() -> None:
    assert edges(region(0, 0, 400, 400, scale=None, reason="why")) == [(0, 0, 400, 400)]


def times(frames: int, **attributes: Any) -> tuple[float, ...] | None:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return read_frame_times(ds, frames)


def test_frame_times__by_frame_time_vector_and_rate() -> None:
    assert times(3, FrameTime="40") == (0.0, 40.0, 80.0)
    assert times(3, FrameTimeVector=["0", "10", "30"]) == (0.0, 10.0, 40.0)
    assert times(3, CineRate="50") == (0.0, 20.0, 40.0)
    assert times(3, FrameTime="0", CineRate="50") == (0.0, 20.0, 40.0)


@pytest.mark.parametrize("attributes", [{}, {"FrameTime": "0"}, {"FrameTime": "-3"}, {"FrameTimeVector": ["0", "1"]}])
def test_frame_times__not_said__are_unknown(attributes: dict[str, Any]) -> None:
    assert times(3, **attributes) is None


CALIBRATION = Calibration.from_spacing(0.1, 0.2)
SQUARE = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))


def quantity(measure: Measure, points: tuple[tuple[float, float], ...] = SQUARE, unit: str = "px") -> Quantity:
    return Quantity(name="a", group="g", frame=2, value=1.0, unit=unit, measure=measure, points=points, confidence=0.5)


@pytest.mark.parametrize(
    ("given", "value", "unit"),
    [
        (quantity(Measure.LENGTH, SQUARE[:2]), 2.0, "mm"),
        (quantity(Measure.LENGTH, SQUARE[:3]), 3.0, "mm"),
        (quantity(Measure.PERIMETER), 6.0, "mm"),
        (quantity(Measure.AREA, unit="px2"), 2.0, "mm2"),
    ],
)
def test_quantity__calibrated__is_measured_in_mm(given: Quantity, value: float, unit: str) -> None:
    (found,) = in_physical_units([given], CALIBRATION)

    assert isinstance(found, Quantity)
    assert (found.value, found.unit, found.reason) == (pytest.approx(value), unit, None)
    assert (found.points, found.frame, found.confidence) == (given.points, 2, 0.5)


@pytest.mark.parametrize("measure", [Measure.LENGTH, Measure.PERIMETER, Measure.AREA])
def test_quantity__without_scale__stays_in_pixels_with_the_reason(measure: Measure) -> None:
    given = quantity(measure)

    (found,) = in_physical_units([given], Calibration())

    assert isinstance(found, Quantity)
    assert (found.value, found.unit) == (1.0, "px")
    assert found.reason == "the image declares no ultrasound region and no pixel spacing"


def pile(x: float = 20.0, *, lean: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Two discs, 10 and 20 px wide, on an axis of 30 px that leans by so many px to the right."""
    axis = [(x, 5.0), (x + lean, 35.0)]
    across = np.array([30.0, -lean]) / np.hypot(30.0, lean)
    middles = [(x + lean * share, 5.0 + 30 * share) for share in (0.25, 0.75)]
    left, right = (
        [tuple(np.array(middle) + side * wide / 2 * across) for middle, wide in zip(middles, (10, 20), strict=True)]
        for side in (-1, 1)
    )
    points = [axis[0], *left, axis[1], *reversed(right)]
    return tuple((float(x), float(y)) for x, y in points)


def volume(points: tuple[tuple[float, float], ...], group: str = "g") -> Quantity:
    return replace(quantity(Measure.VOLUME, points, "px3"), group=group)


@pytest.mark.parametrize(("row_mm", "column_mm"), [(0.5, 0.5), (0.5, 0.25)])
def test_volume__calibrated__is_measured_in_ml(row_mm: float, column_mm: float) -> None:
    (found,) = in_physical_units([volume(pile())], Calibration.from_spacing(row_mm, column_mm))

    length, widths = 30 * row_mm, [10 * column_mm, 20 * column_mm]
    assert isinstance(found, Quantity)
    assert found.unit == "ml"
    assert found.value == pytest.approx(np.pi / 4 * length * np.mean(np.square(widths)) / 1000)


def test_volume__without_scale__is_not_said_and_the_reason_is() -> None:
    (found,) = in_physical_units([volume(pile())], Calibration())

    assert isinstance(found, NoFinding)
    assert (found.name, found.group, found.frame) == ("a", "g", 2)
    assert found.reason == "the image declares no ultrasound region and no pixel spacing"


def test_volume__of_discs_that_the_scale_sets_askew__is_not_said() -> None:
    (found,) = in_physical_units([volume(pile(lean=20.0))], Calibration.from_spacing(0.5, 0.25))

    assert isinstance(found, NoFinding)
    assert "another shape" in found.reason


def test_volumes__of_one_group_in_two_regions__are_not_said_even_where_each_has_a_scale() -> None:
    calibration = Calibration(regions=(region(0, 0, 49, 39), region(50, 0, 99, 39)))

    apart = in_physical_units([volume(pile(20.0), "left"), volume(pile(70.0), "right")], calibration)
    together = in_physical_units([volume(pile(20.0)), volume(pile(70.0))], calibration)

    assert [each.unit for each in apart if isinstance(each, Quantity)] == ["ml", "ml"]
    assert [type(each) for each in together] == [NoFinding, NoFinding]


def test_quantity__without_points__stays_in_pixels_with_the_reason() -> None:
    (found,) = in_physical_units([quantity(Measure.PERIMETER, ())], CALIBRATION)

    assert isinstance(found, Quantity)
    assert found.unit == "px"
    assert "too few" in (found.reason or "")


def test_findings__of_other_kinds_and_units__are_untouched() -> None:
    others = [
        NoFinding(name="a", group="g", frame=1, reason="nothing there"),
        Quantity(name="p", group="g", frame=1, value=0.3, unit="1", code=Code(value="v", scheme="DCM", meaning="m")),
        quantity(Measure.LENGTH, SQUARE[:2], unit="mm"),
    ]

    assert list(in_physical_units(others, CALIBRATION)) == others
