"""Outlines, ellipses and diameters against shapes of known size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.geometry import (
    crossings,
    diameters,
    fit_ellipse,
    largest_component,
    largest_parts,
    outline_points,
    overlap,
    polygon,
)
from models.preprocess import letterbox


def soft_ellipse(x, y, long, short, angle, size=192):
    rows, columns = np.mgrid[0:size, 0:size]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u, v = ((columns - x) * c + (rows - y) * s) / long, ((rows - y) * c - (columns - x) * s) / short
    return (1 / (1 + np.exp((np.hypot(u, v) - 1) * 12))).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -60.0])
def test_ellipse__soft_map__axes_to_a_twentieth_of_a_pixel(angle):
    found = fit_ellipse(crossings(soft_ellipse(90.3, 101.7, 60.2, 40.6, angle)))
    assert (found.x, found.y) == pytest.approx((90.3, 101.7), abs=0.05)
    assert (found.semi_long, found.semi_short) == pytest.approx((60.2, 40.6), abs=0.05)
    assert np.cos(np.radians(2 * (found.angle_deg - angle))) == pytest.approx(1, abs=1e-3)


def test_ellipse__some_points_far_off__left_out():
    likely = soft_ellipse(96, 96, 60, 45, 10)
    likely[90:100, 150:170] = 1
    found = fit_ellipse(crossings(likely))
    assert (found.semi_long, found.semi_short) == pytest.approx((60, 45), rel=0.02)


def test_ellipse__too_few_points__none():
    assert fit_ellipse(np.zeros((5, 2))) is None


def test_overlap__same_shape__one_and_square_less():
    likely = soft_ellipse(96, 96, 60, 45, 0)
    assert overlap(fit_ellipse(crossings(likely)), likely >= 0.5) > 0.98
    square = np.zeros((192, 192), np.float32)
    square[40:150, 40:150] = 1
    assert overlap(fit_ellipse(crossings(square)), square >= 0.5) < 0.93


def test_outline_points__circumference__close_to_the_ellipse():
    found = fit_ellipse(crossings(soft_ellipse(96, 96, 60, 45, 20)))
    points = outline_points(found, 180)
    around = np.hypot(*(np.roll(points, -1, axis=0) - points).T).sum()
    h = ((60 - 45) / (60 + 45)) ** 2
    assert around == pytest.approx(np.pi * 105 * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))), rel=0.002)


def test_largest_component__two_parts__the_larger_with_its_share():
    likely = np.zeros((100, 100), np.float32)
    likely[10:40, 10:40] = 0.9
    likely[70:80, 70:80] = 0.8
    found = largest_component(likely)
    assert found.area == 900
    assert found.dominance == pytest.approx(0.9)
    assert found.confidence == pytest.approx(0.9)
    assert not found.likely[70:80, 70:80].any()


def test_largest_parts__three_parts__the_two_largest_and_their_share_of_all():
    likely = np.zeros((100, 100), np.float32)
    likely[10:40, 10:40] = 0.9
    likely[70:80, 70:80] = 0.8
    likely[50:52, 50:52] = 0.7
    first, second = largest_parts(likely, 2)
    assert (first.area, second.area) == (900, 100)
    assert first.dominance == second.dominance == pytest.approx(1000 / 1004)
    assert second.confidence == pytest.approx(0.8)
    assert not second.likely[10:40, 10:40].any()
    assert [part.area for part in largest_parts(likely, 9)] == [900, 100, 4]


def test_largest_component__nothing_marked__none():
    assert largest_component(np.full((50, 50), 0.4, np.float32)) is None


def test_diameters__rotated_rectangle__its_diagonal_and_the_chord_across():
    corners = cv2.boxPoints(((60, 60), (80, 20), 25)).astype(np.float64)
    both = diameters(corners)
    assert np.hypot(*np.diff(both.longest, axis=0)[0]) == pytest.approx(np.hypot(80, 20), rel=1e-3)
    across = np.diff(both.perpendicular, axis=0)[0]
    assert abs(np.dot(across, np.diff(both.longest, axis=0)[0])) < 1e-6
    assert np.hypot(*across) == pytest.approx(20 / np.cos(np.arctan2(20, 80)), rel=0.01)


def test_polygon__area_and_place__of_the_map():
    likely = soft_ellipse(80, 110, 50, 30, 40)
    rim = polygon(likely)
    following = np.roll(rim, -1, axis=0)
    area = abs(np.sum(rim[:, 0] * following[:, 1] - following[:, 0] * rim[:, 1])) / 2
    assert area == pytest.approx(np.pi * 50 * 30, rel=0.01)
    assert rim.mean(axis=0) == pytest.approx((80, 110), abs=3)


@pytest.mark.parametrize(
    ("shape", "aspect"), [((480, 640), 1.0), ((300, 200), 1.0), ((200, 640), 2.0), ((40, 30), 0.5)]
)
def test_letterbox__a_dot__is_found_again_at_its_place(shape, aspect):
    source = np.zeros(shape, np.uint8)
    y, x = shape[0] // 3, shape[1] // 4
    cv2.circle(source, (x, y), max(2, min(shape) // 20), 255, -1)
    square, box = letterbox(source, 192, aspect)
    rows, columns = np.mgrid[0:192, 0:192]
    weight = square.astype(np.float64)
    centre = np.array([[np.average(columns, weights=weight), np.average(rows, weights=weight)]])
    assert box.to_source(centre)[0] == pytest.approx((x, y), abs=0.35)


def test_polygon__one_pixel_just_at_the_level__its_own_square():
    likely = np.zeros((8, 8), np.float32)
    likely[3, 5] = 0.52
    edge = polygon(likely)
    assert len(edge) >= 4
    assert edge.mean(axis=0) == pytest.approx([5, 3], abs=0.1)
