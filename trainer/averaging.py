"""Weights averaged over the steps of a training: they do better on new pictures than those of its last step.

References
----------
Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992).
"""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def average_into(averaged: nn.Module, network: nn.Module, most: float, step: int) -> None:
    """Move averaged weights and statistics a little towards those of the network.

    Parameters
    ----------
    most
        Share of the old that is kept in the end; less is kept in the first steps, whose weights are worth little.
    step
        Steps done, from 1.
    """
    keep = min(most, (1 + step) / (10 + step))
    for old, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)
