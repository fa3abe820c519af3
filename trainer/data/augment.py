"""How a picture without a truth is varied each time it is shown."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.cohort import CACHE_SIZE
from trainer.data.graphics import draw_graphics

TURN_DEG = 20  # at most, either way
UPSIDE_DOWN = 0.1  # chance
DRAWN = 0.35  # chance that false graphics are drawn


def vary(square: NDArray[np.uint8], size: int, rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """One random view of a picture.

    Parameters
    ----------
    square
        (CACHE_SIZE, CACHE_SIZE), gray.
    strength
        Scales how far geometry and brightness may go; 0 leaves them, 1 is the full range.

    Returns
    -------
    NDArray
        (size, size), 0 to 255.
    """
    shown = draw_graphics(square, rng) if rng.random() < DRAWN else square
    warped = _warp(shown, _affine(size, rng, strength), size)
    return _shade(warped, rng, strength) * np.float32(255)


def _warp(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    warped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.float32) / np.float32(255)


def _affine(size: int, rng: np.random.Generator, strength: float) -> NDArray[np.float64]:
    middle = (CACHE_SIZE - 1) / 2
    turn = strength * rng.uniform(-TURN_DEG, TURN_DEG) * float(rng.random() < 0.7)
    turn += 180.0 * float(rng.random() < UPSIDE_DOWN)
    zoom = 1 + strength * rng.uniform(-0.2, 0.3)
    squeeze = 1 + strength * rng.uniform(-0.08, 0.08)
    matrix = np.vstack([cv2.getRotationMatrix2D((middle, middle), turn, zoom), [0, 0, 1]])
    shift = strength * rng.uniform(-24, 24, 2)
    stretch = np.array([[squeeze, 0, middle * (1 - squeeze) + shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    mirror = np.diag([-1.0, 1.0, 1.0]) if rng.random() < 0.5 else np.eye(3)
    if mirror[0, 0] < 0:
        mirror[0, 2] = CACHE_SIZE - 1
    scale = size / CACHE_SIZE
    shrink = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    whole: NDArray[np.float64] = (shrink @ mirror @ stretch @ matrix)[:2]
    return whole


def _shade(image: NDArray[np.float32], rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    size = image.shape[0]
    gamma, gain = 1 + strength * rng.uniform(-0.4, 0.6), 1 + strength * rng.uniform(-0.3, 0.3)
    image = image ** np.float32(gamma) * np.float32(gain)
    if rng.random() < 0.4:
        top, bottom = (float(v) for v in 1 + strength * rng.uniform(-0.5, 0.3, 2))
        image = image * np.linspace(top, bottom, size, dtype=np.float32)[:, None]
    if rng.random() < 0.4 * strength:
        grain = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), rng.uniform(0.5, 1.2))
        image = image * (1 + np.float32(rng.uniform(0.02, 0.25)) * grain)
    if rng.random() < 0.25 * strength:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2)), dtype=np.float32)
    return image.clip(0, 1).astype(np.float32)
