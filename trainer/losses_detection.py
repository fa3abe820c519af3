"""What makes boxes right: centres by a focal loss, sides by the overlap of boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.detection import cell_centres
from models.heads.head import Answers

WIDTH = 0.09  # of the bell round a centre: its standard deviation as a share of the box's edge
LEAST_WIDTH = 0.5  # cells
NEAR = 0.3  # of the bell: cells above it learn the sides


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectionTarget:
    """The boxes of a batch, all pictures together."""

    boxes: Tensor  # (n, 4): left, top, right, bottom, pixels of the square
    classes: Tensor  # (n,), integers
    picture: Tensor  # (n,), integers: which picture of the batch
    labelled: Tensor  # (batch, classes), bool: whether this class's structures were all boxed in this picture


def detection_loss(answers: Answers, target: DetectionTarget, stride: int) -> Tensor:
    """Focal loss of centres plus generalised overlap of boxes; 0 where nothing was labelled.

    Parameters
    ----------
    answers
        Of `DetectionHead.forward`.
    target
        The truth; boxes of a class that is not `labelled` in their picture are ignored.
    stride
        Of the head, pixels of the square to a cell.

    References
    ----------
    Law, Deng, "CornerNet", ECCV 2018 (focal loss). Liu et al., "Training-Time-Friendly Network", AAAI 2020 (bells as
    wide as boxes). Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.
    """
    centre, sides = answers["centre"].float(), answers["sides"].float()
    batch, classes, height, width = centre.shape
    known = target.labelled[target.picture, target.classes]
    boxes, slot = target.boxes[known].float(), (target.picture * classes + target.classes)[known]
    bells = _bells(boxes, height, width, stride)
    heat = torch.zeros(batch * classes, height, width, device=centre.device)
    heat = heat.scatter_reduce(0, slot[:, None, None].expand_as(bells), bells, "amax")
    centres = _focal(centre.flatten(0, 1), heat, target.labelled.flatten())
    if not len(slot):
        return centres
    return centres + _sides(sides.flatten(0, 1)[slot], boxes, slot, bells, stride)


def _bells(boxes: Tensor, height: int, width: int, stride: int) -> Tensor:
    """A bell for each box, (n, height, width), 1 at the cell that holds the centre."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    cell = ((middle + 0.5) / stride).floor()
    cell = torch.minimum(cell.clamp(min=0), torch.tensor([width - 1.0, height - 1.0], device=boxes.device))
    spread = ((boxes[:, 2:] - boxes[:, :2]) * (WIDTH / stride)).clamp(min=LEAST_WIDTH)
    x = (torch.arange(width, device=boxes.device)[None] - cell[:, :1]) / spread[:, :1]
    y = (torch.arange(height, device=boxes.device)[None] - cell[:, 1:]) / spread[:, 1:]
    return torch.exp(-(x[:, None, :] ** 2 + y[:, :, None] ** 2) / 2)


def _focal(logits: Tensor, heat: Tensor, labelled: Tensor) -> Tensor:
    """(batch classes, h, w) each; `labelled` (batch classes,)."""
    likely = torch.sigmoid(logits)
    peak = heat >= 1
    hit = (1 - likely) ** 2 * F.logsigmoid(logits)
    miss = (1 - heat) ** 4 * likely**2 * F.logsigmoid(-logits)
    loss = -torch.where(peak, hit, miss) * labelled[:, None, None]
    return loss.sum() / (peak & labelled[:, None, None]).sum().clamp(min=1)


def _sides(sides: Tensor, boxes: Tensor, slot: Tensor, bells: Tensor, stride: int) -> Tensor:
    """Overlap loss of the sides (n, 4, h, w) near the centres of the boxes (n, 4)."""
    height, width = sides.shape[-2:]
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    weight = bells * (bells >= NEAR)
    weight = weight * _smallest(weight > 0, areas, slot)
    at = cell_centres(height, width, stride, sides.device).T.reshape(2, height, width)
    guess = torch.cat([at - sides[:, :2], at + sides[:, 2:]], dim=1)
    loss = 1 - _generalised_overlap(guess, boxes[:, :, None, None])
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def _smallest(near: Tensor, areas: Tensor, slot: Tensor) -> Tensor:
    """Where boxes of one class meet, a cell belongs to the smallest: (n, h, w), bool."""
    mine = torch.where(near, areas[:, None, None], torch.inf)
    least = torch.full((int(slot.max()) + 1, *near.shape[1:]), torch.inf, device=areas.device)
    return near & (mine <= least.scatter_reduce(0, slot[:, None, None].expand_as(mine), mine, "amin")[slot])


def _generalised_overlap(guess: Tensor, truth: Tensor) -> Tensor:
    """(n, 4, h, w) and (n, 4, 1, 1) to (n, h, w), -1 to 1."""
    shared = (torch.minimum(guess[:, 2:], truth[:, 2:]) - torch.maximum(guess[:, :2], truth[:, :2])).clamp(min=0)
    hull = torch.maximum(guess[:, 2:], truth[:, 2:]) - torch.minimum(guess[:, :2], truth[:, :2])
    inter, around = shared.prod(1), hull.prod(1).clamp(min=1e-6)
    union = (guess[:, 2:] - guess[:, :2]).prod(1) + (truth[:, 2:] - truth[:, :2]).prod(1) - inter
    return inter / union.clamp(min=1e-6) - (around - union) / around
