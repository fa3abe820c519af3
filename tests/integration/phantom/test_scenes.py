"""The truth of a phantom is in its pixels."""

from __future__ import annotations

from itertools import pairwise
from math import hypot, pi

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from integration.phantom import (
    HeadTruth,
    Look,
    MassTruth,
    Scene,
    SecondRegion,
    breast_mass,
    fetal_head,
    fetal_head_cine,
)
from integration.phantom.scene import diameters, ellipse_perimeter
from integration.phantom.speckle import Imaging, Tissue, image_samples, scatterers

PLAIN = Look(text=False)


def head(seed: int, **more: object) -> tuple[Scene, HeadTruth]:
    scene = fetal_head(seed, 336, 448, look=PLAIN, **more)
    assert isinstance(scene.truth, HeadTruth)
    return scene, scene.truth


def mass(seed: int, malignant: bool) -> tuple[Scene, MassTruth]:
    scene = breast_mass(seed, malignant, 320, 300, look=PLAIN)
    assert isinstance(scene.truth, MassTruth)
    return scene, scene.truth


@pytest.mark.parametrize(("long", "short", "perimeter"), [(1, 1, 2 * pi), (1, 0.5, 4.844224110273838), (5, 5e-4, 20)])
def test_perimeter__known_ellipses__is_exact(long: float, short: float, perimeter: float) -> None:
    assert ellipse_perimeter(long, short) == pytest.approx(perimeter, rel=1e-6)


@given(st.floats(1, 300), st.floats(0.3, 1))
def test_perimeter__equals_a_fine_polygon(long: float, ratio: float) -> None:
    turn = np.linspace(0, 2 * pi, 20001)
    x, y = long * np.cos(turn), long * ratio * np.sin(turn)

    assert ellipse_perimeter(long, long * ratio) == pytest.approx(
        float(np.hypot(np.diff(x), np.diff(y)).sum()), rel=1e-6
    )


@pytest.mark.parametrize("seed", range(8))
def test_head__truth__agrees_with_mask_and_spacing(seed: int) -> None:
    scene, truth = head(seed)
    outlines, _ = cv2.findContours(scene.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    (x, y), axes, _ = cv2.fitEllipse(max(outlines, key=len))
    step = scene.mm_per_pixel[0]

    assert hypot(x - truth.centre[0], y - truth.centre[1]) < 0.3
    # The outline runs through the centres of the outermost pixels, half a pixel inside the edge on average.
    assert (min(axes) + 1) * step == pytest.approx(truth.bpd_mm, abs=1.2 * step)
    assert (max(axes) + 1) * step == pytest.approx(truth.ofd_mm, abs=1.2 * step)
    assert truth.hc_mm == pytest.approx(ellipse_perimeter(truth.ofd_mm / 2, truth.bpd_mm / 2))
    assert 100 <= truth.hc_mm <= 350


def brightness_across(scene: Scene, truth: HeadTruth, offsets_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean gray at distances from the outer edge, over the part of the skull that the beam meets squarely."""
    outline = truth.outline(720)
    outward = outline - np.array(truth.centre)
    outward /= np.hypot(outward[:, 0], outward[:, 1])[:, None]
    steep = np.abs(outward[:, 1]) > 0.9
    places = outline[steep, None, :] + outward[steep, None, :] * (offsets_mm / scene.mm_per_pixel[0])[None, :, None]
    drawn = cv2.remap(
        scene.pixels, places[..., 0].astype(np.float32), places[..., 1].astype(np.float32), cv2.INTER_LINEAR
    )
    return np.asarray(drawn.astype(float).mean(axis=0))


def test_heads__brightest_line__lies_just_inside_the_true_edge() -> None:
    offsets = np.arange(-6, 6.01, 0.25)
    profile = np.mean([brightness_across(*head(seed), offsets) for seed in range(12)], axis=0)

    assert -1.6 <= offsets[int(profile.argmax())] <= -0.6  # as in measured heads, see head_tissue
    assert profile.max() > 2 * profile[0]
    assert profile.max() > 1.5 * profile[-1]


@pytest.mark.parametrize("size", [(128, 128), (256, 256), (448, 336), (600, 800), (768, 1024)])
def test_head__any_size__lies_wholly_in_the_picture(size: tuple[int, int]) -> None:
    for seed in range(3):
        scene = fetal_head(seed, *size, look=Look(second=SecondRegion.SPECTRUM))
        assert isinstance(scene.truth, HeadTruth)
        outline = scene.truth.outline()
        tissue = scene.regions[0]
        assert scene.pixels.shape == scene.mask.shape == size
        assert outline.min() > 0
        assert outline[:, 0].max() < tissue.right
        assert outline[:, 1].max() < tissue.bottom


@pytest.mark.parametrize("wanted", [100.0, 230.0, 350.0])
def test_head__of_a_wanted_size__has_it_exactly(wanted: float) -> None:
    assert head(5, hc_mm=wanted)[1].hc_mm == pytest.approx(wanted)


def test_scenes__same_seed__same_pixels_and_other_seed_others() -> None:
    assert np.array_equal(head(3)[0].pixels, head(3)[0].pixels)
    assert not np.array_equal(head(3)[0].pixels, head(4)[0].pixels)
    assert np.array_equal(mass(3, True)[0].pixels, mass(3, True)[0].pixels)


def test_scenes__too_small__are_refused() -> None:
    with pytest.raises(ValueError, match="128 x 128"):
        fetal_head(1, 100, 400)


def test_speckle__even_tissue__is_rayleigh() -> None:
    rng = np.random.default_rng(1)
    shape = (512, 256)
    nothing = np.zeros(shape, np.float32)
    tissue = Tissue(echo_db=np.full(shape, -30, np.float32), mirror=nothing, loss_db=nothing)
    imaging = Imaging(
        axial_sigma=1.5, lateral_sigma=1.5, focus=0.5, gain_db=0, dynamic_range_db=70, noise_db=-120, looks=1
    )

    shown = image_samples(tissue, imaging, [scatterers(rng, shape)], rng).astype(float)
    envelope = 10 ** ((shown / 255 - 1) * 70 / 20)

    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.1)
    assert 20 * np.log10(np.sqrt((envelope**2).mean())) == pytest.approx(-30, abs=1.5)


def test_cine__head__keeps_its_size_and_moves_smoothly() -> None:
    truths = [scene.truth for scene in fetal_head_cine(2, 20, 256, 320, look=PLAIN)]
    assert all(isinstance(truth, HeadTruth) for truth in truths)
    heads = [truth for truth in truths if isinstance(truth, HeadTruth)]
    steps = [hypot(b.centre[0] - a.centre[0], b.centre[1] - a.centre[1]) for a, b in pairwise(heads)]

    assert {(t.hc_mm, t.bpd_mm, t.ofd_mm) for t in heads} == {(heads[0].hc_mm, heads[0].bpd_mm, heads[0].ofd_mm)}
    assert max(steps) < 3
    assert sum(steps) > 3


def test_cine__speckle__loses_likeness_slowly() -> None:
    frames = [scene.pixels.astype(float) for scene in fetal_head_cine(2, 16, 256, 320, look=PLAIN)]

    def likeness(a: int, b: int) -> float:
        one, other = frames[a][40:200, 100:220], frames[b][40:200, 100:220]
        return float(
            np.corrcoef((one - cv2.blur(one, (15, 15))).ravel(), (other - cv2.blur(other, (15, 15))).ravel())[0, 1]
        )

    assert likeness(0, 1) > 0.6
    assert likeness(0, 1) > likeness(0, 4) > likeness(0, 15)


@pytest.mark.parametrize("malignant", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_mass__diameters__are_those_of_its_mask(seed: int, malignant: bool) -> None:
    scene, truth = mass(seed, malignant)
    step = scene.mm_per_pixel[0]
    rows, columns = np.nonzero(scene.mask)
    ends = np.array(truth.longest)
    across = np.array(truth.perpendicular)

    assert truth.malignant is malignant
    assert truth.longest_mm == pytest.approx(float(np.hypot(*(ends[1] - ends[0]))) * step)
    assert truth.longest_mm >= max(np.ptp(rows), np.ptp(columns)) * step - 1e-6
    assert 0 < truth.perpendicular_mm <= truth.longest_mm
    cosine = (ends[1] - ends[0]) @ (across[1] - across[0])
    assert abs(cosine) / (np.hypot(*(ends[1] - ends[0])) * np.hypot(*(across[1] - across[0]))) < 0.12


def test_masses__of_both_looks__differ_as_the_lexicon_says() -> None:
    tall, solid, behind = {}, {}, {}
    for malignant in (False, True):
        scenes = [mass(seed, malignant)[0] for seed in range(12)]
        boxes = [np.nonzero(scene.mask) for scene in scenes]
        tall[malignant] = np.mean([np.ptp(rows) / np.ptp(columns) for rows, columns in boxes])
        solid[malignant] = np.mean([_solidity(scene.mask) for scene in scenes])
        behind[malignant] = np.mean([_behind(scene) for scene in scenes])

    assert tall[False] < 0.9 < 1.1 < tall[True]
    assert solid[False] > 0.97 > solid[True]
    assert behind[False] > behind[True]


def _solidity(mask: NDArray[np.bool_]) -> float:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    return cv2.contourArea(outline) / cv2.contourArea(cv2.convexHull(outline))


def _behind(scene: Scene) -> float:
    """Gray below the mass less that beside it, at the same depth."""
    rows, columns = np.nonzero(scene.mask)
    below = slice(int(rows.max()) + 4, int(rows.max()) + 20)
    middle, half = int(columns.mean()), int(np.ptp(columns) / 4)
    band = scene.pixels[below].astype(float)
    beside = np.delete(band, slice(columns.min(), columns.max()), axis=1)
    return float(band[:, middle - half : middle + half].mean() - beside[beside > 0].mean())


def test_mass__is_darker_than_what_surrounds_it() -> None:
    for seed in range(6):
        scene, _ = mass(seed, False)
        around = cv2.dilate(scene.mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~scene.mask
        assert scene.pixels[scene.mask].mean() < 0.75 * scene.pixels[around].mean()


def test_diameters__of_a_rectangle__by_hand() -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[10:31, 5:66] = True  # 60 px by 20 px between the outermost centres

    longest, perpendicular = diameters(mask)

    assert hypot(longest[1][0] - longest[0][0], longest[1][1] - longest[0][1]) == pytest.approx(hypot(60, 20))
    across = hypot(perpendicular[1][0] - perpendicular[0][0], perpendicular[1][1] - perpendicular[0][1])
    assert across == pytest.approx(20 / (60 / hypot(60, 20)), abs=1.5)


def test_zoom_region__shows_the_same_tissue_at_half_the_scale() -> None:
    scene = fetal_head(1, 400, 480, look=Look(text=False, second=SecondRegion.ZOOM))
    tissue, zoom = scene.regions
    inset = scene.pixels[zoom.top : zoom.bottom + 1, zoom.left : zoom.right + 1]
    rows, columns = inset.shape[0] // 2, inset.shape[1] // 2
    top, left = (400 - rows) // 2, (480 - columns) // 2

    assert zoom.delta_x == pytest.approx(tissue.delta_x / 2)
    assert np.array_equal(inset[::2, ::2], scene.pixels[top : top + rows, left : left + columns])


def test_look__text_and_colour__are_as_asked() -> None:
    plain = fetal_head(1, 256, 320, look=PLAIN).pixels
    text = fetal_head(1, 256, 320, look=Look()).pixels
    colour = fetal_head(1, 256, 320, look=Look(colour=True)).pixels

    assert not np.array_equal(plain, text)
    assert colour.shape == (256, 320, 3)
    assert int(np.ptp(colour.astype(int), axis=2).max()) > 60  # coloured words on gray tissue
