"""What makes masks, answers, grades, views and quality right. What is not labelled costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.head import Answers

LEAST_FALL = -1e-6  # between cumulative logits: huge ones round their difference away
UNLABELLED = -1  # among whole numbers; NaN among the others


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassMap:
    """Which structure each pixel belongs to, where structures exclude each other."""

    classes: Tensor  # (batch, H, W), integers: 0 none, 1 the first structure, …, -1 not labelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masks:
    """Masks of structures that may overlap."""

    masks: Tensor  # (batch, structures, H, W), 0 to 1, soft at the edge; NaN where not labelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CategoryTarget:
    """The right answers."""

    answers: Tensor  # (batch,), integers; -1 not labelled
    smoothing: float = 0.0  # share of the truth that is spread over all answers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrdinalTarget:
    """The right grades."""

    grades: Tensor  # (batch,), integers, 0 the lowest; -1 not labelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewTarget:
    """The right regions and organs."""

    regions: Tensor  # (batch,), integers; -1 not labelled
    organs: Tensor  # (batch,), integers among the organs of all regions; -1 not labelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QualityTarget:
    """How good scans are."""

    score: Tensor  # (batch,), 0 to 1; NaN not labelled
    poor: Tensor  # (batch, aspects), 1 poor, 0 fine, or a share of readers between; NaN not labelled


def segmentation_loss(answers: Answers, target: ClassMap | Masks) -> Tensor:
    """Cross-entropy of pixels plus soft Dice of the structures that are there, over what is labelled.

    Parameters
    ----------
    answers
        Of `StructuresHead.forward`: `exclusive` for a `ClassMap`, else for `Masks`.

    References
    ----------
    Milletari, Navab, Ahmadi, "V-Net", 3DV 2016 (soft Dice).
    """
    logits = answers["mask"].float()
    if isinstance(target, ClassMap):
        return _exclusive_loss(logits, target.classes)
    known = ~target.masks.isnan()
    truth = target.masks.nan_to_num(0.0).to(logits.dtype)
    pixels = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return _mean(pixels, known) + _dice(torch.sigmoid(logits), truth, known)


def category_loss(answers: Answers, target: CategoryTarget) -> Tensor:
    """Cross-entropy of the answers to one question."""
    logs = answers["answer"].float().log_softmax(1)
    spread = target.smoothing
    each = -(1 - spread) * _picked(logs, target.answers) - spread * logs.mean(1)
    return _mean(each, target.answers != UNLABELLED)


def ordinal_loss(answers: Answers, target: OrdinalTarget) -> Tensor:
    """Negative log-likelihood of the grade under ordered thresholds.

    The probability of a grade between thresholds with logits a > b is sigmoid(a) - sigmoid(b), which is
    sigmoid(a) sigmoid(-b) (1 - exp(b - a)): in this form its logarithm loses nothing where both are near 0 or 1.
    """
    beyond, grades = answers["beyond"].float(), target.grades
    lower = F.logsigmoid(beyond)  # the grade lies above a threshold
    upper = F.logsigmoid(-beyond)  # or not above it
    falls = (beyond[:, 1:] - beyond[:, :-1]).clamp(max=LEAST_FALL)
    gaps = torch.log(-torch.expm1(falls))
    end = beyond.new_zeros(len(beyond), 1)
    logs = torch.cat([end, lower], dim=1) + torch.cat([upper, end], dim=1) + torch.cat([end, gaps, end], dim=1)
    return _mean(-_picked(logs, grades), grades != UNLABELLED)


def view_loss(answers: Answers, target: ViewTarget) -> Tensor:
    """Negative log-likelihood of region and organ together: of the region, plus of the organ given its region."""
    region = _mean(-_picked(answers["region"].float(), target.regions), target.regions != UNLABELLED)
    return region + _mean(-_picked(answers["organ"].float(), target.organs), target.organs != UNLABELLED)


def quality_loss(answers: Answers, target: QualityTarget) -> Tensor:
    """Cross-entropy of the score and of each aspect."""
    loss = _soft_answers(answers["score"].float(), target.score)
    return loss + _soft_answers(answers["poor"].float(), target.poor)


def _exclusive_loss(logits: Tensor, classes: Tensor) -> Tensor:
    known = classes != UNLABELLED
    logs = logits.log_softmax(1)
    right = classes.clamp(min=0).long()
    pixels = -logs.gather(1, right[:, None])[:, 0]
    truth = F.one_hot(right, logits.shape[1]).movedim(-1, 1)[:, 1:].to(logits.dtype)
    return _mean(pixels, known) + _dice(logs.exp()[:, 1:], truth, known[:, None].expand_as(truth))


def _dice(likely: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """1 - Dice of (batch, structures, H, W), the mean over the structures that pictures show.

    Of a structure that is not there Dice says almost the same for one wrong pixel and for a thousand: cross-entropy
    alone is left to empty it.
    """
    likely, truth = likely * known, truth * known
    shared, total = (likely * truth).sum((2, 3)), likely.sum((2, 3)) + truth.sum((2, 3))
    return _mean(1 - (2 * shared + 1) / (total + 1), truth.sum((2, 3)) > 0)


def _soft_answers(logits: Tensor, truth: Tensor) -> Tensor:
    known = ~truth.isnan()
    soft = truth.nan_to_num(0.0).to(logits.dtype)
    return _mean(F.binary_cross_entropy_with_logits(logits, soft, reduction="none"), known)


def _picked(logs: Tensor, labels: Tensor) -> Tensor:
    """The entry of each row (batch, n) that its label (batch,) names; any where there is no label."""
    return logs.gather(1, labels.clamp(min=0).long()[:, None])[:, 0]


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean of the known values; 0 where there is none, so that a batch without labels teaches nothing."""
    return torch.where(known, values, values.new_zeros(())).sum() / known.sum().clamp(min=1)
