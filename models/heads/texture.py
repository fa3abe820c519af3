"""Grain, sharpness and gray levels of a picture as numbers: what the encoder's norms take away of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.normalise import MEAN, SPREAD

OCTAVES = (1, 2, 4, 8)  # edges of the squares that are averaged before grain is looked for: blur takes the fine ones
BANDS = 3  # upper, middle and lower third: gain and sharpness by depth
LEVELS = 64  # bins of gray
SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # of the pixels that are darker than the level told
LIT, AROUND = 0.02, 9  # mean level of so many pixels across and down that is light
FAINT = 0.03  # beside which grain is measured where there is little light
LEAST = 1e-4
STATISTICS = len(OCTAVES) * (4 + BANDS) + len(SHARES) + 1


def texture_statistics(image: Tensor) -> Tensor:
    """How a picture's pixels differ from their neighbours at each octave, and which gray levels it uses.

    Parameters
    ----------
    image
        (batch, 3, H, W), as `models.normalise.normalised` gives it; H and W at least 32.

    Returns
    -------
    Tensor
        (batch, STATISTICS), float32. Of each octave logarithms of the mean step across and down, of the mean grain
        relative to the light around it, of how rare its strong parts are, and of the grain of each band from the top;
        then the gray levels under which the `SHARES` of pixels lie, and the entropy of gray levels. All are of pixels
        that show a scan.
    """
    level = (image[:, :1].float() * SPREAD + MEAN).clamp(0, 1)
    lit = _scan(level)
    octaves = [each for edge in OCTAVES for each in _grain(F.avg_pool2d(level, edge), F.avg_pool2d(lit, edge))]
    return torch.cat([torch.stack(octaves, dim=1).clamp(min=LEAST).log(), _levels(level, lit)], dim=1)


def _scan(level: Tensor) -> Tensor:
    """1 where a scan is shown: what is near light, less a rim of the same width."""
    near = (F.avg_pool2d(level, AROUND, 1, AROUND // 2) > LIT).float()
    return 1 - F.max_pool2d(1 - near, AROUND, 1, AROUND // 2)


def _grain(level: Tensor, lit: Tensor) -> list[Tensor]:
    across, down = level.diff(dim=3).abs(), level.diff(dim=2).abs()
    around = F.avg_pool2d(level, 5, 1, 2, count_include_pad=False)
    off = level - around
    grain = off.abs() / (around + FAINT)
    mean_off = _mean(off.abs(), lit)
    peaks = _mean(off.square(), lit) / (mean_off.square() + LEAST**2)
    bands = zip(grain.tensor_split(BANDS, dim=2), lit.tensor_split(BANDS, dim=2), strict=True)
    steps = [_mean(across, lit[..., 1:]), _mean(down, lit[:, :, 1:])]
    return [*steps, _mean(grain, lit), peaks, *(_mean(part, shown) for part, shown in bands)]


def _mean(values: Tensor, lit: Tensor) -> Tensor:
    """Over the pixels of a scan, (batch,)."""
    return (values * lit).sum((1, 2, 3)) / lit.sum((1, 2, 3)).clamp(min=1)


def _levels(level: Tensor, lit: Tensor) -> Tensor:
    bins = (level * LEVELS).long().clamp(max=LEVELS - 1).flatten(1)
    counts = torch.zeros(len(level), LEVELS, device=level.device).scatter_add_(1, bins, lit.flatten(1))
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    below = shares.cumsum(1)
    told = [(below < share).float().mean(1) for share in SHARES]
    entropy = -(shares * shares.clamp(min=1e-9).log()).sum(1)
    return torch.stack([*told, entropy], dim=1)
