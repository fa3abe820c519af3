"""The encoder's maps merged from coarse to fine, for heads that say where something is."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8  # of the norm: unlike a batch norm it makes a picture's answer independent of those beside it


class NormedConvolution(nn.Sequential):
    """Convolution 3 x 3, group norm, ReLU: (batch, inputs, H, W) to (batch, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, outputs), nn.ReLU())


class Pyramid(nn.Module):
    """One map that sees what all coarser ones see.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    finest
        Which of them, 0 to 4, gives the merged map its size: its stride is `stride_of(finest)` pixels.
    width
        Channels of the merged map, a multiple of `GROUPS`.

    References
    ----------
    Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.
    """

    def __init__(self, channels: Sequence[int], finest: int, width: int = 64) -> None:
        super().__init__()
        self.finest = finest
        self.side = nn.ModuleList(nn.Conv2d(channels[i], width, 1) for i in range(finest, 5))
        self.merge = nn.ModuleList(NormedConvolution(width, width) for _ in range(finest, 5))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's five maps to (batch, width, H / stride, W / stride)."""
        x: Tensor = self.merge[-1](self.side[-1](maps[4]))
        for i in range(len(self.side) - 2, -1, -1):
            side = self.side[i](maps[self.finest + i])
            x = self.merge[i](F.interpolate(x, size=side.shape[-2:], mode="bilinear", align_corners=False) + side)
        return x


def stride_of(level: int) -> int:
    """Pixels of the square to one cell of the encoder's map `level`, 0 to 4."""
    return int(2 ** (level + 1))
