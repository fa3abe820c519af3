"""Volumes by the method of discs: shapes whose volume is known, turned, scaled and moved."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.findings import Measure
from models.geometry import Ellipse, outline_points
from models.geometry.discs import DISCS, discs, discs_of, ejection_fraction
from models.geometry.extents import extent

# a ventricle as an apical view shows it: apex above, a flat mitral plane below, walls that lean
TURNS = np.linspace(np.pi, 2 * np.pi, 60)
BULLET = np.concatenate(
    [np.stack([30 * np.cos(TURNS), 60 * np.sin(TURNS)], axis=1), np.array([[27.0, 25.0], [-29.0, 31.0]])]
)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def ellipse(long: float, short: float, degrees: float = 0.0) -> np.ndarray:
    return outline_points(Ellipse(x=200, y=210, semi_long=long, semi_short=short, angle_deg=degrees), 360)


@given(st.floats(10, 150), st.floats(0.4, 0.9), st.floats(-90, 90))
@settings(max_examples=60, deadline=None)
def test_discs__ellipse_of_revolution__its_volume_within_two_per_cent(long, share, degrees):
    pile = discs(ellipse(long, share * long, degrees))
    assert pile.volume == pytest.approx(4 / 3 * np.pi * long * (share * long) ** 2, rel=0.02)
    assert pile.length == pytest.approx(2 * long, rel=0.01)


@given(st.floats(0.05, 20))
@settings(max_examples=40, deadline=None)
def test_discs__scaled__volume_grows_by_the_cube(scale):
    assert discs(scale * BULLET).volume == pytest.approx(scale**3 * discs(BULLET).volume, rel=1e-3)


@given(st.floats(-180, 180), st.floats(-50, 400), st.booleans())
@settings(max_examples=60, deadline=None)
def test_discs__turned_moved_or_drawn_the_other_way_round__same_volume(degrees, shift, backwards):
    moved = turned(BULLET, degrees) + shift
    pile = discs(moved[::-1] if backwards else moved)
    assert pile.volume == pytest.approx(discs(BULLET).volume, rel=1e-3)
    assert pile.apex - shift == pytest.approx(turned(discs(BULLET).apex[None], degrees)[0], abs=0.1)


@given(st.floats(-180, 180), st.floats(-50, 400))
@settings(max_examples=40, deadline=None)
def test_sides__of_any_pile__give_its_volume_back_and_lie_on_the_outline(degrees, shift):
    pile = discs(turned(BULLET, degrees) + shift)
    assert len(pile.sides) == 2 * DISCS + 2
    assert extent(pile.sides, Measure.VOLUME) == pytest.approx(pile.volume, rel=1e-9)
    ends = np.hypot(*(pile.sides[1 : DISCS + 1] - pile.sides[: DISCS + 1 : -1]).T)
    assert ends == pytest.approx(pile.diameters)
    outline = pile.outline.astype(np.float32)
    for x, y in pile.sides[[*range(1, DISCS + 1), *range(DISCS + 2, 2 * DISCS + 2)]]:
        assert abs(cv2.pointPolygonTest(outline, (float(x), float(y)), True)) < 0.01


def test_discs__of_a_ventricle__apex_is_the_tip_and_the_mitral_plane_joins_the_corners_of_the_base():
    pile = discs(BULLET)
    assert pile.apex == pytest.approx((0, -60), abs=4)
    assert sorted(pile.mitral[:, 0]) == [-29.0, 27.0]
    assert len(pile.diameters) == DISCS
    assert pile.diameters[0] < pile.diameters[-1]


def test_discs__of_a_mask__agree_with_those_of_its_outline_and_count_the_largest_part_alone():
    rows, columns = np.mgrid[0:240, 0:240]
    mask = (((columns - 120) / 40) ** 2 + ((rows - 110) / 80) ** 2 < 1).astype(np.float32)
    alone = discs_of(mask).volume
    assert alone == pytest.approx(4 / 3 * np.pi * 80 * 40**2, rel=0.02)
    mask[200:210, 5:15] = 1
    assert discs_of(mask).volume == pytest.approx(alone, rel=1e-3)


def test_discs__of_a_mask_that_fills_the_picture_to_its_edge__are_those_of_the_part_in_it():
    rows, columns = np.mgrid[0:60, 0:60]
    mask = (((columns - 30) / 18) ** 2 + (rows / 40) ** 2 < 1).astype(np.float32)
    pile = discs_of(mask)
    assert pile.length == pytest.approx(40, abs=2)
    assert pile.volume == pytest.approx(2 / 3 * np.pi * 40 * 18**2, rel=0.04)


@pytest.mark.parametrize("outline", [np.zeros((0, 2)), np.zeros((5, 2)), np.array([[0.0, 0], [9, 9], [18, 18]])])
def test_discs__without_area__none(outline):
    assert discs(outline) is None


def test_discs__of_an_empty_mask__none():
    assert discs_of(np.zeros((20, 20), np.float32)) is None


def test_ejection_fraction__of_half_the_volume__is_half():
    assert ejection_fraction(80.0, 40.0) == 50.0
