"""Is this the kind of picture that the task was made for?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScopeHead(nn.Module):
    """One logit: in scope or not.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    """

    def __init__(self, channels: Sequence[int], hidden: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * channels[3] + channels[4], hidden), nn.GELU(), nn.Dropout(0.2), nn.Linear(hidden, 1)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's five maps to logits (batch,)."""
        pooled = torch.cat([maps[3].mean((2, 3)), maps[3].amax((2, 3)), maps[4].mean((2, 3))], dim=1)
        out: Tensor = self.layers(pooled)
        return out[:, 0]
