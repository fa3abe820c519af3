"""How a picture and its truth are varied together each time they are shown."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.cohort import CACHE_SIZE
from trainer.data.graphics import draw_graphics
from trainer.tasks.spec import Variation

MOST_SHIFT = 20.0  # px of CACHE_SIZE
ZOOM = (-0.18, 0.25)
SQUEEZE = 0.06
PAINTED = 0.5  # chance that burned-in graphics are painted over, where that was done


def shrink(size: int) -> NDArray[np.float64]:
    """The 2 x 3 matrix from the kept square to one of `size`, as letterboxing maps centres of pixels."""
    scale = size / CACHE_SIZE
    return np.array([[scale, 0.0, (scale - 1) / 2], [0.0, scale, (scale - 1) / 2]])


def motion(how: Variation, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random 2 x 3 matrix from the kept square to one of `size`: turn, zoom, squeeze, shift, and perhaps a mirror."""
    middle = (CACHE_SIZE - 1) / 2
    turn = rng.uniform(-how.turn_deg, how.turn_deg) * float(rng.random() < 0.7)
    turned = np.vstack([cv2.getRotationMatrix2D((middle, middle), turn, 1 + rng.uniform(*ZOOM)), [0, 0, 1]])
    squeeze = 1 + rng.uniform(-SQUEEZE, SQUEEZE)
    across, down = rng.uniform(-MOST_SHIFT, MOST_SHIFT, 2)
    stretched = np.array([[squeeze, 0, middle * (1 - squeeze) + across], [0, 1, down], [0, 0, 1]])
    mirror = np.eye(3)
    if how.mirrored and rng.random() < 0.5:
        mirror[0] = [-1, 0, CACHE_SIZE - 1]
    whole: NDArray[np.float64] = shrink(size) @ mirror @ stretched @ turned
    return whole


def moved(square: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The kept square (CACHE_SIZE, CACHE_SIZE) as the matrix moves it: (size, size)."""
    return np.asarray(cv2.warpAffine(square, matrix, (size, size), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def varied_square(
    square: NDArray[np.uint8], how: Variation, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A random view of a kept square, (size, size), and the matrix that its truth has to follow."""
    matrix = motion(how, size, rng)
    drawn = draw_graphics(square, rng) if rng.random() < how.drawn else square
    return _shaded(moved(drawn, matrix, size), rng), matrix


def _shaded(square: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other gain, contrast and depth gain, and sometimes more grain or blur."""
    size = square.shape[0]
    light = (square.astype(np.float32) / 255) ** np.float32(rng.uniform(0.65, 1.5)) * np.float32(rng.uniform(0.7, 1.3))
    if rng.random() < 0.4:
        top, bottom = (float(gain) for gain in rng.uniform(0.6, 1.3, 2))
        light *= np.linspace(top, bottom, size, dtype=np.float32)[:, None]
    if rng.random() < 0.35:
        grain = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), rng.uniform(0.5, 1.2))
        light *= 1 + np.float32(rng.uniform(0.02, 0.2)) * grain
    if rng.random() < 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), rng.uniform(0.3, 1.1)), dtype=np.float32)
    return np.asarray((light * 255).clip(0, 255), dtype=np.uint8)
