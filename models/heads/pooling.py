"""The whole picture as one row of numbers, for heads that answer about all of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BRIGHTEST = (3, 4)  # maps whose strongest response counts beside the mean: a small thing must not drown in it


class PictureFeatures(nn.Module):
    """Means of all maps and maxima of the coarse ones, mixed by one layer.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    width
        Numbers that come out.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        inputs = sum(channels) + sum(channels[i] for i in BRIGHTEST)
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.2))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's five maps to (batch, width)."""
        pooled = [level.mean((2, 3)) for level in maps] + [maps[i].amax((2, 3)) for i in BRIGHTEST]
        out: Tensor = self.layers(torch.cat(pooled, dim=1))
        return out
