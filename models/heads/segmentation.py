"""A mask from the encoder's maps: a light decoder in the way of U-Net, with a stem that keeps edges sharp."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEM = 8  # channels at full resolution: few, because they cost the most
WIDTHS = (24, 32, 48, 64)


class ConvBlock(nn.Sequential):
    """Convolution 3 x 3, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class SegmentationHead(nn.Module):
    """Logits of `classes` masks at the image's own size.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    classes
        Number of masks; each is a sigmoid of its own.
    """

    def __init__(self, channels: Sequence[int], classes: int = 1) -> None:
        super().__init__()
        widths = WIDTHS
        self.stem = ConvBlock(3, STEM)
        self.top = nn.Conv2d(channels[4], widths[3], 1)
        self.side = nn.ModuleList(nn.Conv2d(channels[i], widths[i], 1) for i in range(4))
        below = (widths[1], widths[2], widths[3], widths[3])
        self.merge = nn.ModuleList(ConvBlock(below[i] + widths[i], widths[i]) for i in range(4))
        self.narrow = nn.Conv2d(widths[0], STEM, 1)
        self.last = ConvBlock(2 * STEM, 12)
        self.out = nn.Conv2d(12, classes, 1)

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(batch, 3, H, W) and its five maps to logits (batch, classes, H, W)."""
        x: Tensor = self.top(maps[4])
        for i in (3, 2, 1, 0):
            x = self.merge[i](torch.cat([_upto(x, maps[i]), self.side[i](maps[i])], dim=1))
        x = self.last(torch.cat([_upto(self.narrow(x), image), self.stem(image)], dim=1))
        out: Tensor = self.out(x)
        return out


def _upto(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
