"""Texture in numbers: each kind of damage moves those that it should, and what is no scan does not count."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from models.heads.texture import BANDS, OCTAVES, SHARES, STATISTICS, texture_statistics
from models.normalise import normalised

STEP_ACROSS, STEP_DOWN, GRAIN, PEAKS = range(4)
OF_OCTAVE = 4 + BANDS
ENTROPY = STATISTICS - 1


def speckled(size: int = 128, grain: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(3)
    soft = cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), 6) * 4
    return np.clip(110 * (1 + 0.3 * soft) * (1 + grain * rng.standard_normal((size, size))), 5, 255).astype(np.uint8)


def told(square: np.ndarray) -> np.ndarray:
    return texture_statistics(normalised(torch.from_numpy(square[None])))[0].numpy()


def test_shape__one_row_of_numbers_a_picture_whatever_its_size():
    assert texture_statistics(torch.zeros(2, 3, 64, 96)).shape == (2, STATISTICS)
    assert STATISTICS == len(OCTAVES) * OF_OCTAVE + len(SHARES) + 1


def test_blur__takes_the_grain_of_the_finest_octave_first():
    lost = told(speckled()) - told(cv2.GaussianBlur(speckled(), (0, 0), 1.0))
    by_octave = [lost[octave * OF_OCTAVE + GRAIN] for octave in range(len(OCTAVES))]
    assert by_octave[0] > 1  # to less than a third
    assert by_octave[0] > by_octave[1] > by_octave[2]


def test_grain__twice_as_much__twice_the_number():
    fine = told(speckled(grain=0.2))[GRAIN] - told(speckled(grain=0.1))[GRAIN]
    assert fine == pytest.approx(np.log(2), rel=0.25)


def test_gain__half__grain_is_hardly_less_and_levels_are():
    plain, dark = told(speckled()), told((speckled() * 0.5).astype(np.uint8))
    assert dark[GRAIN] == pytest.approx(plain[GRAIN], abs=0.15)
    middle = len(OCTAVES) * OF_OCTAVE + SHARES.index(0.5)
    assert dark[middle] == pytest.approx(plain[middle] / 2, abs=0.03)


def test_entropy__few_gray_levels__is_lower():
    assert told((speckled() // 64 * 64 + 32).astype(np.uint8))[ENTROPY] < told(speckled())[ENTROPY] - 1


def test_black_border__does_not_count():
    whole = told(speckled())
    framed = told(np.pad(speckled(), 64))
    np.testing.assert_allclose(framed[:STEP_DOWN], whole[:STEP_DOWN], atol=0.1)
    np.testing.assert_allclose(framed[-len(SHARES) - 1 :], whole[-len(SHARES) - 1 :], atol=0.12)


def test_batch__each_picture_as_if_alone():
    squares = np.stack([speckled(), cv2.GaussianBlur(speckled(), (0, 0), 2.0), np.zeros((128, 128), np.uint8)])
    together = texture_statistics(normalised(torch.from_numpy(squares))).numpy()
    np.testing.assert_allclose(together, np.stack([told(square) for square in squares]), atol=1e-5)
    assert np.isfinite(together).all()
