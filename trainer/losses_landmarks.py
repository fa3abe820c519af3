"""What makes points right: a heat-map like a bell at the point, and whether the point is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.head import Answers

WIDTH = 1.25  # cells, standard deviation of the bell: inside the reach that a place is read from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarksTarget:
    """The points of a batch."""

    points: Tensor  # (batch, points, 2): x and y, pixels of the square; NaN: not marked
    present: Tensor  # (batch, points): 1 in the picture, 0 not, NaN not known


def landmarks_loss(
    answers: Answers, target: LandmarksTarget, stride: int, pairs: Sequence[tuple[int, int]] = ()
) -> Tensor:
    """Divergence of heat-maps from bells plus cross-entropy of presence, the mean over known points; 0 without any.

    Parameters
    ----------
    answers
        Of `LandmarksHead.forward`.
    target
        The truth.
    stride
        Of the head, pixels of the square to a cell.
    pairs
        Numbers of points that may stand for each other: of each pair counts the better of both ways.
    """
    heat, present = answers["heat"].float(), answers["present"].float()
    bells = _bells(target.points.float(), heat.shape[2], heat.shape[3], stride)
    cost = _cost(heat, present, bells, target)
    if pairs:
        cost = _better_way(cost, _swapped(heat, present, bells, target, pairs), pairs)
    return cost.sum() / torch.isfinite(target.present).sum().clamp(min=1)


def _cost(heat: Tensor, present: Tensor, bells: Tensor, target: LandmarksTarget) -> Tensor:
    """What each map (batch, points) pays for each point; 0 where nothing is known."""
    known = torch.isfinite(target.present)
    marked = (target.present == 1) & torch.isfinite(target.points).all(2)
    apart = F.kl_div(heat.flatten(2).log_softmax(2), bells, reduction="none").sum(2)
    there = F.binary_cross_entropy_with_logits(present, torch.nan_to_num(target.present.float()), reduction="none")
    zero = torch.zeros_like(apart)
    return torch.where(marked, apart, zero) + torch.where(known, there, zero)


def _swapped(
    heat: Tensor, present: Tensor, bells: Tensor, target: LandmarksTarget, pairs: Sequence[tuple[int, int]]
) -> Tensor:
    order = list(range(heat.shape[1]))
    for first, second in pairs:
        order[first], order[second] = second, first
    other = LandmarksTarget(points=target.points[:, order], present=target.present[:, order])
    return _cost(heat, present, bells[:, order], other)


def _better_way(straight: Tensor, crossed: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    cost = straight.clone()
    for pair in pairs:
        at = list(pair)
        crosses = crossed[:, at].sum(1) < straight[:, at].sum(1)
        cost[:, at] = torch.where(crosses[:, None], crossed[:, at], straight[:, at])
    return cost


def _bells(points: Tensor, height: int, width: int, stride: int) -> Tensor:
    """A bell round each point that sums to 1 over the cells: (batch, points, height width)."""
    cell = (torch.nan_to_num(points) + 0.5) / stride - 0.5
    x = torch.arange(width, device=points.device) - cell[..., :1]
    y = torch.arange(height, device=points.device) - cell[..., 1:]
    apart = (x[..., None, :] ** 2 + y[..., :, None] ** 2).flatten(2)
    return torch.softmax(-apart / (2 * WIDTH**2), dim=2)
