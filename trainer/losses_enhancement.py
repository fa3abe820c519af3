"""What makes pictures better: nearness to the good picture, its edges, and an honest word on how much was gained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.head import Answers

SOFT = 1e-3  # gray levels of 0 to 1 below which an error counts by its square
EDGES = 0.5  # weight of steps between neighbours against gray levels
GAIN = 0.1  # weight of the expected gain
NO_ERROR = 1e-3  # mean error, gray levels of 0 to 1, of which nothing can be gained


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnhancementTarget:
    """Pairs of pictures; gray levels of 0 to 1."""

    given: Tensor  # (batch, H, W): what the network was shown
    good: Tensor  # (batch, H, W): what it should be; a picture with NaN anywhere is not known
    inside: Tensor  # (batch, H, W): 1 where the picture lies in the square, 0 in its black margin


def enhancement_loss(answers: Answers, target: EnhancementTarget) -> Tensor:
    """Charbonnier loss of gray levels and of steps between neighbours, and the error of the expected gain.

    Parameters
    ----------
    answers
        Of `EnhancementHead.forward`.
    target
        The truth; the mean is taken over known pictures, and is 0 without any.

    References
    ----------
    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994.
    """
    known = torch.isfinite(target.good).all(2).all(1)
    good, given, inside = (x.float() for x in (torch.nan_to_num(target.good), target.given, target.inside))
    area = inside.sum((1, 2)).clamp(min=1)
    off = (given + answers["residual"].float() - good) * inside
    error = _soft(off).sum((1, 2)) / area
    steps = (_soft(off.diff(dim=1)).sum((1, 2)) + _soft(off.diff(dim=2)).sum((1, 2))) / area
    gained = gain(target.given, answers["residual"].detach(), target)
    doubt = F.smooth_l1_loss(answers["gain"].float(), gained, reduction="none")
    loss = error + EDGES * steps + GAIN * doubt
    return torch.where(known, loss, torch.zeros_like(loss)).sum() / known.sum().clamp(min=1)


def gain(given: Tensor, residual: Tensor, target: EnhancementTarget) -> Tensor:
    """The share of the mean absolute error of pictures (batch, H, W) that a residual takes away: (batch,), -1 to 1."""
    good = torch.nan_to_num(target.good)
    before = ((given - good).abs() * target.inside).sum((1, 2))
    after = ((given + residual - good).abs() * target.inside).sum((1, 2))
    least = NO_ERROR * target.inside.sum((1, 2)).clamp(min=1)
    return (1 - (after + least) / (before + least)).clamp(-1, 1)


def _soft(x: Tensor) -> Tensor:
    return torch.sqrt(x * x + SOFT * SOFT) - SOFT
