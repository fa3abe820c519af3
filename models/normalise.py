"""The last step before a network, on the network's device; apart from `preprocess` because it needs torch."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN = 0.5  # of the scaled picture
SPREAD = 0.25


def normalised(squares: Tensor) -> Tensor:
    """Gray squares (batch, S, S), uint8 or float in 0 to 255, to the network's input (batch, 3, S, S), float32."""
    scaled = (squares.to(torch.float32) / 255.0 - MEAN) / SPREAD
    return scaled[:, None].expand(-1, 3, -1, -1).contiguous()
