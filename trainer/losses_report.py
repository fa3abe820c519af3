"""What makes statements right, and words the ones that were written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.head import Answers
from models.heads.report import Span

NO_WORD = -100  # after the end of a text, and of pictures without one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportTarget:
    """What is true of the pictures of a batch, and what was written of them."""

    truth: Tensor  # (batch, statements): 1 holds, 0 not, NaN not known
    said: Tensor  # (batch, statements), bool: what the text states; at least one where there is a text
    words: Tensor  # (batch, L): tokens of the text with its end, then `NO_WORD`


def statements_loss(answers: Answers, target: ReportTarget, spans: Sequence[Span]) -> Tensor:
    """Cross-entropy of statements, the mean over questions that are known; 0 without any.

    Parameters
    ----------
    answers
        Of `ReportHead.forward`.
    target
        The truth. A question of one answer is known where exactly one of its statements holds and all are known.
    spans
        Of the head.
    """
    logits = answers["findings"].float()
    total, count = logits.sum() * 0, torch.zeros((), device=logits.device)
    for first, beyond, alone in spans:
        part, truth = logits[:, first:beyond], target.truth[:, first:beyond].float()
        finite = torch.isfinite(truth)
        sure = torch.nan_to_num(truth)
        if alone:
            known = finite.all(1) & (sure.sum(1) == 1)
            costs = -(part.log_softmax(1) * sure).sum(1)
        else:
            known = finite
            costs = F.binary_cross_entropy_with_logits(part, sure, reduction="none")
        total = total + torch.where(known, costs, torch.zeros_like(costs)).sum()
        count = count + known.sum()
    return total / count.clamp(min=1)


def words_loss(logits: Tensor, target: ReportTarget) -> Tensor:
    """Cross-entropy of words; 0 without any.

    Parameters
    ----------
    logits
        Of `Writer.forward`, given `said` and `words_given` of the target: (batch, L, tokens).
    """
    written = (target.words != NO_WORD).sum().clamp(min=1)
    flat = F.cross_entropy(logits.float().flatten(0, 1), target.words.flatten(), ignore_index=NO_WORD, reduction="sum")
    return flat / written


def words_given(target: ReportTarget) -> Tensor:
    """The texts as the writer takes them: (batch, L), no place without a token."""
    return target.words.clamp(min=0)
