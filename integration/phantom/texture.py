"""Smooth random textures and soft edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Grid


def clouds(rng: np.random.Generator, shape: tuple[int, int], knots: tuple[int, int]) -> NDArray[np.float32]:
    """Smooth noise of zero mean and about unit spread: `knots` random values along rows and columns, interpolated."""
    coarse = rng.standard_normal((max(2, knots[0]), max(2, knots[1])), dtype=np.float32)
    smooth = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return smooth.astype(np.float32, copy=False)


def ripple(rng: np.random.Generator, count: int, knots: int) -> NDArray[np.float32]:
    """Smooth noise on a closed line of `count` places, zero mean, at most 1 away from 0."""
    turn = np.arange(count, dtype=np.float32) * np.float32(2 * np.pi / count)
    wave = np.zeros(count, np.float32)
    for order in range(1, knots + 1):
        size, phase = rng.standard_normal(dtype=np.float32) / order, rng.uniform(0, 2 * np.pi)
        wave += size * np.cos(order * turn + np.float32(phase))
    return wave / max(float(np.abs(wave).max()), 1e-6)


def sample_texture(texture: NDArray[np.float32], column: Grid, row: Grid) -> Grid:
    """Values of a texture, repeated without end, at fractional places."""
    drawn = cv2.remap(
        texture, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return drawn.astype(np.float32, copy=False)


def blob(reach: Grid, steepness: float) -> Grid:
    """1 inside reach 1, 0 outside, with a soft edge."""
    return soft_box(reach, -np.inf, 1.0, 1 / steepness)


def soft_box(value: Grid, low: float, high: float, softness: float) -> Grid:
    """1 between `low` and `high`, 0 outside, one half on them; `softness` is the width of the edge."""
    rise = 1 / (1 + np.exp(np.clip((np.float32(low) - value) / np.float32(softness), -30, 30)))
    fall = 1 / (1 + np.exp(np.clip((value - np.float32(high)) / np.float32(softness), -30, 30)))
    boxed: Grid = rise * fall
    return boxed
