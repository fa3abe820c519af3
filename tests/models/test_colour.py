"""Colour flow is told from tint, markers and gray tissue, and a task says nothing of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from integration.phantom import fetal_head
from integration.pixels import open_image
from models.colour import flow_share
from models.findings import NoFinding, Quantity
from models.packages.parts import KindSettings
from tests.data import real_data
from tests.models.looking import given, millimetres, named, said

MOST = KindSettings.model_fields["flow"].default
DOPPLER = ("US-PAL-8-10x-echo", "US-RGB-8-epicard", "US1_UNCI", "color-pl", "examples_rgb_color", "will-jxl")
TISSUE = ("GH364", "OBXXXX1A", "RGB_IMAGE", "YBR_422", "examples_palette", "examples_ybr_color", "gdcm-US-ALOKA-16")


def rgb(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=2) if gray.ndim == 2 else gray.copy()


def with_flow(pixels: np.ndarray, view: tuple[int, int, int, int], edge: int) -> np.ndarray:
    """A square of red and blue in the middle of a view."""
    shown = rgb(pixels)
    top, left = (view[1] + view[3] - edge) // 2, (view[0] + view[2] - edge) // 2
    shown[top : top + edge, left : left + edge // 2] = (200, 30, 20)
    shown[top : top + edge, left + edge // 2 : left + edge] = (20, 40, 210)
    return shown


@pytest.mark.parametrize("name", DOPPLER)
def test_share__real_colour_and_power_doppler__above_what_a_task_takes(name):
    assert share_of(name) > 1.25 * MOST


@pytest.mark.parametrize("name", TISSUE)
def test_share__real_tissue_with_coloured_text_and_markers__below(name):
    assert share_of(name) < MOST / 2


def share_of(name: str) -> float:
    image = open_image(real_data("dicom_us") / f"{name}.dcm")
    ((_, pixels),) = image.frames([1])
    view = image.views[0]
    return flow_share(pixels[view.top : view.bottom + 1, view.left : view.right + 1])


@pytest.mark.parametrize("tint", [(255, 214, 140), (140, 190, 255), (255, 255, 255)])
def test_share__tissue_through_a_tinted_map__none(tint):
    shown = rgb(fetal_head(1).pixels)
    tinted = (shown.astype(np.float32) * np.array(tint) / 255).astype(np.uint8)
    assert flow_share(tinted) < MOST / 2


def test_share__painted_square__its_share_of_the_picture():
    picture = np.full((400, 600), 70, np.uint8)
    assert flow_share(with_flow(picture, (0, 0, 599, 399), 120)) == pytest.approx(120 * 120 / (400 * 600), rel=0.05)
    assert flow_share(picture) == 0.0


def test_task__head_with_a_colour_box__is_not_measured_and_says_why(engine):
    frame = given(fetal_head(2))
    shown = replace(frame, pixels=with_flow(frame.pixels, frame.view, (frame.view[2] - frame.view[0]) // 3))
    findings = said(engine, "fetal-head", shown)
    (silence,) = findings
    assert isinstance(silence, NoFinding)
    assert "colour flow covers" in silence.reason
    assert any(isinstance(found, Quantity) for found in said(engine, "fetal-head", frame))


def test_task__head_through_a_sepia_map__is_measured(engine):
    scene = fetal_head(2)
    frame = given(scene)
    tinted = (rgb(frame.pixels).astype(np.float32) * np.array((255, 225, 170)) / 255).astype(np.uint8)
    found = named(said(engine, "fetal-head", replace(frame, pixels=tinted)), "head circumference")
    assert millimetres(found, scene) == pytest.approx(scene.truth.hc_mm, rel=0.05)
