"""What training makes small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and soft Dice, each image for itself.

    Parameters
    ----------
    logits, truth
        (batch, H, W); truth from 0 to 1, soft at the edge.
    """
    likely = torch.sigmoid(logits)
    shared = (likely * truth).sum((1, 2))
    dice = 1 - (2 * shared + 1) / (likely.sum((1, 2)) + truth.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


def answer_loss(logits: Tensor, truth: Tensor, *, smoothing: float, positive_weight: float) -> Tensor:
    """Cross-entropy of yes-or-no answers (n,) with smoothed truth, the yes cases weighted."""
    soft = truth * (1 - 2 * smoothing) + smoothing
    weight = torch.tensor(positive_weight, dtype=logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, soft, pos_weight=weight)
