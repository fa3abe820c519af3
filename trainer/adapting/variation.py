"""How a picture and its truth are varied together each time they are shown."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.cohort import CACHE_SIZE
from trainer.data.graphics import draw_graphics
from trainer.tasks.spec import Variation

MOST_SHIFT = 20.0  # px of CACHE_SIZE
ZOOM = (-0.22, 0.35)
SQUEEZE = 0.08
UNEVEN, SHADOWED = 0.25, 0.2  # chances
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
    """Other gain, contrast and depth gain, and sometimes uneven light, a shadow, more grain or blur."""
    size = square.shape[0]
    light = (square.astype(np.float32) / 255) ** np.float32(rng.uniform(0.65, 1.5)) * np.float32(rng.uniform(0.7, 1.3))
    if rng.random() < 0.4:
        top, bottom = (float(gain) for gain in rng.uniform(0.6, 1.3, 2))
        light *= np.linspace(top, bottom, size, dtype=np.float32)[:, None]
    if rng.random() < UNEVEN:
        coarse = rng.uniform(0.55, 1.4, (4, 4)).astype(np.float32)
        light *= cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < SHADOWED:
        light *= _shadow(size, rng)
    if rng.random() < 0.35:
        grain = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), rng.uniform(0.5, 1.2))
        light *= 1 + np.float32(rng.uniform(0.02, 0.2)) * grain
    if rng.random() < 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), rng.uniform(0.3, 1.1)), dtype=np.float32)
    return np.asarray((light * 255).clip(0, 255), dtype=np.uint8)


def _shadow(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """What an acoustic shadow leaves of the light, (size, size): a soft-edged dark band from some depth downwards."""
    columns = np.arange(size, dtype=np.float32)[None, :]
    rows = np.arange(size, dtype=np.float32)[:, None]
    middle, half = rng.uniform(0, size), rng.uniform(0.03, 0.12) * size
    slope, top = rng.uniform(-0.3, 0.3), rng.uniform(0, 0.6) * size
    across = np.abs(columns - middle - np.float32(slope) * (rows - top)) / np.float32(half)
    inside = np.clip(1.5 - across, 0, 1) * np.clip((rows - top) / np.float32(0.1 * size), 0, 1)
    return np.asarray(1 - np.float32(rng.uniform(0.4, 0.9)) * inside, dtype=np.float32)
