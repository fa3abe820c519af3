"""Millimetres against lengths computed by hand, and the reasons where there are none."""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from integration.phantom.scene import ellipse_perimeter
from integration.pixels import Calibration, NotCalibrated, Region, View

FINE = Region(left=0, top=0, right=99, bottom=99, mm_per_pixel_x=0.2, mm_per_pixel_y=0.1)
COARSE = Region(left=200, top=0, right=299, bottom=99, mm_per_pixel_x=0.5, mm_per_pixel_y=0.5)
ONE = Calibration(regions=(FINE,))
inside = st.tuples(st.floats(0, 99), st.floats(0, 99))
polygons = st.lists(inside, min_size=3, max_size=12)


def item(**more: Any) -> Dataset:
    """A region of 100 x 100 px with pixels of 0.2 mm by 0.1 mm; keywords override, None removes."""
    ds = Dataset()
    ds.RegionSpatialFormat = ds.RegionDataType = 1
    ds.RegionLocationMinX0 = ds.RegionLocationMinY0 = 0
    ds.RegionLocationMaxX1 = ds.RegionLocationMaxY1 = 99
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = 3
    ds.PhysicalDeltaX, ds.PhysicalDeltaY = 0.02, 0.01
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def image(*items: Dataset, **more: Any) -> Calibration:
    ds = Dataset()
    ds.Rows, ds.Columns = 480, 640
    if items:
        ds.SequenceOfUltrasoundRegions = list(items)
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return Calibration.from_dataset(ds)


def test_length__unequal_axes__each_uses_its_own_scale() -> None:
    calibration = image(item())

    assert calibration.length_mm([(10, 10), (20, 10)]) == pytest.approx(2.0)
    assert calibration.length_mm([(10, 10), (10, 20)]) == pytest.approx(1.0)
    assert calibration.length_mm([(0, 0), (30, 80)]) == pytest.approx(10.0)  # 6 mm across, 8 mm down
    assert calibration.length_mm([(0, 0), (30, 80), (30, 90)]) == pytest.approx(11.0)


def test_area__unequal_axes__uses_both() -> None:
    square = [(10, 10), (20, 10), (20, 20), (10, 20)]

    assert image(item()).area_mm2(square) == pytest.approx(2.0 * 1.0)
    assert image(item()).area_mm2(square[:3]) == pytest.approx(1.0)


def test_area__far_from_the_origin__keeps_its_digits() -> None:
    calibration = Calibration.from_spacing(1.0, 1.0)
    far = [(x + 1e7, y + 1e7) for x, y in [(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)]]

    assert calibration.area_mm2(far) == pytest.approx(0.25)


@given(inside, inside)
def test_length__reversed__is_the_same(a: tuple[float, float], b: tuple[float, float]) -> None:
    assert ONE.length_mm([a, b]) == pytest.approx(ONE.length_mm([b, a]))


@given(polygons)
def test_area__reversed_or_started_elsewhere__is_the_same(points: list[tuple[float, float]]) -> None:
    area = ONE.area_mm2(points)

    assert ONE.area_mm2(points[::-1]) == pytest.approx(area, abs=1e-9)
    assert ONE.area_mm2(points[1:] + points[:1]) == pytest.approx(area, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 49), st.floats(0, 49)), min_size=3), st.floats(0, 50), st.floats(0, 50))
def test_length_and_area__moved_inside_the_region__stay(points: list[tuple[float, float]], x: float, y: float) -> None:
    moved = [(a + x, b + y) for a, b in points]

    assert ONE.length_mm(moved) == pytest.approx(ONE.length_mm(points), abs=1e-9)
    assert ONE.area_mm2(moved) == pytest.approx(ONE.area_mm2(points), abs=1e-9)


@given(polygons, st.floats(0.1, 10))
def test_length_and_area__scaled_pixels__follow(points: list[tuple[float, float]], factor: float) -> None:
    large = Calibration(regions=(replace(FINE, mm_per_pixel_x=0.2 * factor, mm_per_pixel_y=0.1 * factor),))

    assert large.length_mm(points) == pytest.approx(ONE.length_mm(points) * factor)
    assert large.area_mm2(points) == pytest.approx(ONE.area_mm2(points) * factor**2)


@given(inside, inside, inside)
def test_length__by_way_of_a_third_point__is_never_shorter(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    assert ONE.length_mm([a, b, c]) >= ONE.length_mm([a, c]) - 1e-9


@pytest.mark.parametrize("end", [(210.0, 10.0), (150.0, 10.0), (10.0, 99.6), (-0.6, 5.0)])
def test_length__leaving_the_region__is_withheld(end: tuple[float, float]) -> None:
    with pytest.raises(NotCalibrated, match=r"one ultrasound region|outside every"):
        Calibration(regions=(FINE, COARSE)).length_mm([(10, 10), end])


def test_length__across_two_images_of_equal_scale__is_withheld() -> None:
    twin = replace(FINE, left=200, right=299)

    with pytest.raises(NotCalibrated, match="one ultrasound region"):
        Calibration(regions=(FINE, twin)).length_mm([(10, 10), (210, 10)])


def test_length__overlap_of_different_scales__is_withheld() -> None:
    over = replace(COARSE, left=50, right=149)
    calibration = Calibration(regions=(FINE, over))

    with pytest.raises(NotCalibrated, match="overlap"):
        calibration.length_mm([(10, 10), (70, 10)])
    assert calibration.length_mm([(10, 10), (20, 10)]) == pytest.approx(2.0)


def test_length__overlap_with_a_region_without_scale__is_withheld() -> None:
    calibration = image(item(), item(RegionSpatialFormat=5, RegionLocationMinX0=50))

    with pytest.raises(NotCalibrated, match="overlap"):
        calibration.length_mm([(10, 10), (70, 10)])


def test_length__overlap_where_one_region_has_priority__uses_that_one() -> None:
    inset = item(
        RegionLocationMinX0=50, RegionLocationMinY0=50, PhysicalDeltaX=0.05, PhysicalDeltaY=0.05, RegionFlags=0
    )
    calibration = image(item(RegionFlags=1), inset)

    assert calibration.length_mm([(60, 60), (70, 60)]) == pytest.approx(5.0)
    with pytest.raises(NotCalibrated, match="one ultrasound region"):
        calibration.length_mm([(10, 10), (70, 60)])


def test_length__two_regions_of_one_scale_over_each_other__is_given() -> None:
    colour_box = item(RegionDataType=2, RegionLocationMinX0=20, RegionLocationMaxX1=80)

    assert image(item(), colour_box).length_mm([(30, 10), (40, 10)]) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"PhysicalUnitsXDirection": 4, "PhysicalUnitsYDirection": 7}, "measures seconds across and cm/s down"),
        ({"PhysicalUnitsXDirection": 4}, "measures seconds across and cm down"),
        ({"PhysicalUnitsYDirection": 5}, "hertz"),
        ({"PhysicalUnitsXDirection": 0, "PhysicalUnitsYDirection": 0}, "measures nothing across"),
        ({"PhysicalUnitsXDirection": 99}, r"unknown unit \(code 99\)"),
        ({"PhysicalUnitsXDirection": None}, "no unit across"),
        ({"PhysicalDeltaX": 0.0}, r"no size across \(0 cm\)"),
        ({"PhysicalDeltaY": 0.0}, r"no size down \(0 cm\)"),
        ({"PhysicalDeltaX": -0.02}, "negative size across"),
        ({"PhysicalDeltaY": -0.01}, "negative size down"),
        ({"PhysicalDeltaX": None}, "no size of a pixel across"),
        ({"PhysicalDeltaY": float("nan")}, "no size down"),
        ({"PhysicalDeltaY": float("inf")}, "no size down"),
        ({"RegionSpatialFormat": 2}, "an M-mode trace"),
        ({"RegionSpatialFormat": 3}, "a spectrum"),
        ({"RegionSpatialFormat": 77}, "unknown format 77"),
    ],
)
def test_region__without_proven_centimetres__withholds_with_the_reason(more: dict[str, Any], words: str) -> None:
    calibration = image(item(**more))

    for measure in (calibration.length_mm, calibration.area_mm2):
        with pytest.raises(NotCalibrated, match=words):
            measure([(10, 10), (20, 10), (20, 20)])


@pytest.mark.parametrize(
    "more",
    [
        {"RegionLocationMaxX1": 641},
        {"RegionLocationMaxY1": 481},
        {"RegionLocationMinX0": 100},
        {"RegionLocationMinX0": 2**32 - 5},
    ],
)
def test_region__not_in_the_frame__withholds_with_the_reason(more: dict[str, Any]) -> None:
    (region,) = image(item(**more)).regions

    assert region.scale is None
    assert not region.inside
    assert "does not lie in the frame" in (region.reason or "")


def test_region__ending_one_pixel_late__is_taken_to_the_edge() -> None:
    (region,) = image(item(RegionLocationMaxX1=640, RegionLocationMaxY1=480)).regions

    assert (region.right, region.bottom) == (639, 479)
    assert region.scale == pytest.approx((0.2, 0.1))


def test_region__without_a_place__says_so() -> None:
    with pytest.raises(NotCalibrated, match="place of ultrasound region 1"):
        image(item(RegionLocationMinX0=None)).length_mm([(10, 10), (20, 10)])
    assert image(item(RegionLocationMinX0=None), item()).length_mm([(10, 10), (20, 10)]) == pytest.approx(2.0)


def test_no_region_and_no_spacing__says_so() -> None:
    with pytest.raises(NotCalibrated, match="no ultrasound region and no pixel spacing"):
        image().length_mm([(0, 0), (1, 0)])


def test_pixel_spacing__without_regions__is_row_then_column() -> None:
    calibration = image(PixelSpacing=[0.5, 0.2])

    assert calibration.length_mm([(0, 0), (10, 0)]) == pytest.approx(2.0)
    assert calibration.length_mm([(0, 0), (0, 10)]) == pytest.approx(5.0)
    assert calibration.area_mm2([(0, 0), (10, 0), (10, 10), (0, 10)]) == pytest.approx(10.0)


def test_pixel_spacing__beside_regions__never_counts() -> None:
    calibration = image(item(PhysicalDeltaX=0.0), PixelSpacing=[0.5, 0.5])

    with pytest.raises(NotCalibrated, match="0 cm"):
        calibration.length_mm([(10, 10), (20, 10)])
    with pytest.raises(NotCalibrated, match="outside every"):
        calibration.length_mm([(300, 10), (310, 10)])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ImagerPixelSpacing": [0.1, 0.1]}, "detector"),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, "scanned film"),
        ({"PixelSpacing": [0.0, 0.1]}, "two positive numbers"),
        ({"PixelSpacing": [-0.1, 0.1]}, "two positive numbers"),
        ({"PixelSpacing": "0.1"}, "not two numbers"),
    ],
)
def test_spacing__without_the_meaning__is_not_taken(more: dict[str, Any], words: str) -> None:
    with pytest.raises(NotCalibrated, match=words):
        image(**more).length_mm([(0, 0), (1, 0)])


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_given_spacing__not_positive__is_refused(spacing: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Calibration.from_spacing(*spacing)


def test_points__too_few_or_not_finite__are_withheld() -> None:
    with pytest.raises(NotCalibrated, match="too few"):
        ONE.length_mm([(1, 1)])
    with pytest.raises(NotCalibrated, match="too few"):
        ONE.area_mm2([(1, 1), (2, 2)])
    with pytest.raises(NotCalibrated, match="finite"):
        ONE.length_mm([(1, 1), (float("nan"), 2)])


def test_regions__that_cannot_be_parsed__withhold() -> None:
    ds = Dataset()
    ds.Rows, ds.Columns = 480, 640
    tag = Tag(0x0018, 0x6011)
    ds[tag] = RawDataElement(tag, "SQ", 8, b"\x01\x02\x03\x04\x05\x06\x07\x08", 0, False, True)

    with pytest.raises(NotCalibrated, match="cannot be read"):
        Calibration.from_dataset(ds).length_mm([(0, 0), (1, 0)])


def test_pixel_aspect__of_region_spacing_and_attribute() -> None:
    view = View(left=10, top=10, right=80, bottom=80)

    assert image(item()).pixel_aspect(view) == pytest.approx(0.5)
    assert image(PixelSpacing=[0.6, 0.2]).pixel_aspect(view) == pytest.approx(3.0)
    assert image(PixelAspectRatio=[4, 3]).pixel_aspect(view) == pytest.approx(4 / 3)
    assert image().pixel_aspect(view) == 1.0


@pytest.mark.parametrize(("long", "short"), [(60.0, 60.0), (60.0, 45.0), (60.0, 12.0)])
def test_outline_of_an_ellipse__has_the_exact_perimeter(long: float, short: float) -> None:
    points = [(200 + long * cos(t * pi / 500), 200 + short * sin(t * pi / 500)) for t in range(1001)]

    length = Calibration.from_spacing(0.3, 0.3).length_mm(points)

    assert length == pytest.approx(0.3 * ellipse_perimeter(long, short), rel=1e-5)
