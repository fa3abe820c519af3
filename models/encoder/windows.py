"""Square windows over a map: cutting, joining, and the tables that shifted window attention needs."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def windowing(height: int, width: int, window: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the windows on a map, and how far every second block shifts them.

    A map no larger than a window is one window, and nothing is shifted along that edge.
    """
    half = window // 2
    return (
        (min(window, height), min(window, width)),
        (half if height > window else 0, half if width > window else 0),
    )


def to_windows(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut (batch, H, W, C) into windows of shape (batch x windows, size[0] x size[1], C); H and W are multiples."""
    batch, height, width, channels = x.shape
    tall, wide = size
    x = x.view(batch, height // tall, tall, width // wide, wide, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, tall * wide, channels)


def from_windows(windows: Tensor, size: tuple[int, int], shape: tuple[int, int, int]) -> Tensor:
    """The inverse of `to_windows`; `shape` is (batch, H, W)."""
    batch, height, width = shape
    tall, wide = size
    x = windows.view(batch, height // tall, width // wide, tall, wide, -1)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, -1)


def relative_index(size: tuple[int, int]) -> Tensor:
    """Row of the relative position table for each pair of pixels of a window: int64, (pixels, pixels)."""
    tall, wide = size
    rows, columns = torch.meshgrid(torch.arange(tall), torch.arange(wide), indexing="ij")
    place = torch.stack([rows.flatten(), columns.flatten()])
    apart = (place[:, :, None] - place[:, None, :]).permute(1, 2, 0)
    return (apart[..., 0] + tall - 1) * (2 * wide - 1) + apart[..., 1] + wide - 1


@lru_cache(maxsize=64)
def shift_mask(height: int, width: int, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    """What the pixels of a cyclically shifted map may not attend to.

    Returns
    -------
    Tensor
        float32, (windows, pixels, pixels): 0 where the two pixels were neighbours before the shift, else -100.
    """
    region = torch.zeros(1, height, width, 1)
    number = 0
    for rows in _bands(size[0], shift[0]):
        for columns in _bands(size[1], shift[1]):
            region[:, rows, columns, :] = number
            number += 1
    flat = to_windows(region, size).squeeze(-1)
    apart = flat[:, None, :] - flat[:, :, None]
    return torch.zeros_like(apart).masked_fill(apart != 0, -100.0)


def _bands(size: int, shift: int) -> tuple[slice, ...]:
    return (slice(-size), slice(-size, -shift), slice(-shift, None)) if shift else (slice(None),)
