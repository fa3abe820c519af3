"""Properties of the model that makes pictures worse."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.degrade import KINDS, RANGE_DB, WEAKEST_DB, Damage, degraded, random_damage, scanned

SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def scene(seed: int = 0, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    """A sector-like picture: dark sides, a bright structure, tissue of several levels."""
    rng = np.random.default_rng(seed)
    tissue = cv2.GaussianBlur(rng.normal(110, 60, shape).astype(np.float32), (0, 0), 4) * 2 - 110
    cv2.ellipse(tissue, (70, 60), (30, 18), 20, 0, 360, 215, 4)
    tissue[:, :20] = tissue[:, -15:] = 0
    return tissue.clip(0, 255).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one.astype(float) - other) ** 2) / 255**2))


damages = st.builds(
    Damage,
    **{kind: st.floats(0, 1) for kind in KINDS},
    seed=st.integers(0, 2**31 - 1),
)


@given(damages, st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_degraded__whatever_the_damage__is_a_picture_of_the_same_size_the_same_each_time(damage, seed):
    picture = scene(seed)
    worse = degraded(picture, damage)
    assert worse.dtype == np.uint8
    assert worse.shape == picture.shape
    assert (worse == degraded(picture, damage)).all()
    assert not worse[~scanned(picture)].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 7])
def test_degraded__the_more_severe__the_farther_from_the_picture(kind, seed):
    picture = scene(seed)
    near = [psnr(picture, degraded(picture, Damage(**{kind: s}, seed=seed))) for s in SEVERITIES[1:]]
    assert all(milder > worse for milder, worse in pairwise(near)), near
    assert near[-1] < 30


def test_degraded__without_damage__is_the_picture_itself():
    assert (degraded(scene(), Damage(seed=3)) == scene()).all()


def test_degraded__black_picture__stays_black():
    black = np.zeros((40, 50), np.uint8)
    assert not degraded(black, Damage(speckle=1, blur=1, compression=1, attenuation=1)).any()


def test_speckle__of_even_tissue__has_the_signal_to_noise_ratio_of_rayleigh_and_another_grain_for_another_seed():
    even = np.full((256, 256), 150, np.uint8)
    grainy = degraded(even, Damage(speckle=1.0, seed=1))
    envelope = 10 ** ((grainy / 255 - 1) * 3)
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.08)
    assert (grainy != degraded(even, Damage(speckle=1.0, seed=2))).mean() > 0.9


def test_blur__of_a_point__is_wider_across_than_along_the_beam():
    point = np.full((129, 129), 30, np.uint8)
    point[64, 64] = 255
    spread = degraded(point, Damage(blur=1.0)).astype(int) - 30
    assert (spread[64] > 5).sum() > 1.5 * (spread[:, 64] > 5).sum()


def test_attenuation__of_even_tissue__darkens_with_depth_and_not_at_the_skin():
    rows = degraded(np.full((100, 80), 200, np.uint8), Damage(attenuation=1.0)).mean(axis=1)
    assert rows[0] == 200
    assert (np.diff(rows) <= 0).all()
    assert rows[-1] == pytest.approx(200 - 255 * WEAKEST_DB / RANGE_DB, abs=1)


def test_compression__at_worst__leaves_few_levels_in_a_narrow_window():
    ramp = np.tile(np.arange(3, 256, dtype=np.uint8), (20, 1))
    levels = np.unique(degraded(ramp, Damage(compression=1.0)))
    assert len(levels) <= 16
    assert levels.max() - levels.min() < 140


def test_damage__outside_its_scale__is_refused_by_name():
    with pytest.raises(ValueError, match="blur"):
        Damage(blur=1.5)


def test_random_damage__of_many_draws__has_every_kind_alone_and_together_and_none():
    rng = np.random.default_rng(0)
    drawn = [random_damage(rng) for _ in range(300)]
    assert {each.words for each in drawn} == {*KINDS, "several", "none"}
    assert all((each.worst == 0) == (each.words == "none") for each in drawn)
