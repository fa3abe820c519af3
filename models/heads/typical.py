"""How unlike the pictures that a task learned from is this one?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

DIRECTIONS = 16  # along which training pictures differ most
OF_A_DIRECTION = 4  # pictures that one direction takes, at least
LEAST_SCALE = 0.02  # of a feature's mean: what is finer drowns in the digits of half precision


class Typical(nn.Module):
    """Distance from the training pictures, as features of the encoder have it; 1 is their own mean.

    Half of it is how far a picture lies along the directions in which training pictures differ most, measured by
    their spread; half is how far it lies off all of these, where few training pictures went. A scope head knows
    the other pictures that it was shown; this knows none, and so takes no kind of them for granted.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.

    References
    ----------
    Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks",
    NeurIPS 2018 (Mahalanobis distance of features).
    """

    mean: Tensor
    scale: Tensor
    directions: Tensor
    spread: Tensor
    rest: Tensor

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        width = 2 * sum(channels)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("directions", torch.zeros(width, DIRECTIONS))  # of those not in use all is 0
        self.register_buffer("spread", torch.ones(DIRECTIONS))
        self.register_buffer("rest", torch.ones(1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's five maps to distances (batch,)."""
        apart = (features(maps) - self.mean.float()) / self.scale.float()
        directions = self.directions.float()
        along = apart @ directions
        off = (apart - along @ directions.T).square().sum(1) / self.rest.float()
        used = (directions != 0).any(0).sum().clamp(min=1)
        out: Tensor = ((along.square() / self.spread.float()).sum(1) / used + off) / 2
        return out

    @torch.no_grad()
    def learn(self, learned: Tensor) -> None:
        """Take the features (n, D) of n >= 8 training pictures, as `features` gives them.

        Raises
        ------
        ValueError
            There are fewer pictures.
        """
        count = len(learned)
        used = min(DIRECTIONS, count // OF_A_DIRECTION)
        if used < 2:
            raise ValueError(f"{count} pictures do not tell what is typical: {2 * OF_A_DIRECTION} at least")
        self.mean.copy_(learned.mean(0))
        self.scale.copy_(learned.std(0).maximum(LEAST_SCALE * self.mean.abs() + 1e-3))
        apart = (learned - self.mean) / self.scale
        _, values, axes = torch.linalg.svd(apart.double(), full_matrices=False)
        axes = axes[:used].T.float()
        self.directions.zero_()[:, :used] = axes
        self.spread.fill_(1.0)[:used] = (values[:used] ** 2 / count).float().clamp(min=1e-3)
        off = (apart - apart @ axes @ axes.T).square().sum(1)
        self.rest.fill_(float(off.mean().clamp(min=1e-3)))


def features(maps: Sequence[Tensor]) -> Tensor:
    """Mean and standard deviation of each channel of each map: (batch, D), in float32."""
    whole = [level.float().flatten(2) for level in maps]
    return torch.cat([part for level in whole for part in (level.mean(2), level.std(2, correction=0))], dim=1)
