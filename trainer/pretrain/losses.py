"""What pretraining makes small.

References
----------
van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018 (InfoNCE).
Chen, Xie, He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021: keys of an averaged
network, negatives of the batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.pretrain.network import patch_means

FAR = (
    -1e4
)  # a logit that takes no part; finite, because bfloat16 has no room for more and infinity times 0 is no number


def patch_errors(drawn: Tensor, gray: Tensor, patches: int) -> Tensor:
    """Mean absolute error of each patch: pictures (batch, S, S) to (batch, patches, patches)."""
    return patch_means((drawn - gray).abs(), patches)


def reconstruction_loss(errors: Tensor, hidden: Tensor) -> Tensor:
    """Mean of the errors (batch, n, n) of the patches that were hidden."""
    return errors[hidden].mean()


def ranking_loss(difficulty: Tensor, errors: Tensor, hidden: Tensor) -> Tensor:
    """Whether, of two hidden patches of a picture, the one with the larger error is said to be the harder one.

    Parameters
    ----------
    difficulty, errors
        (batch, n, n); the errors are taken as they are.
    hidden
        bool, (batch, n, n).
    """
    said, true, counts = difficulty.flatten(1), errors.detach().flatten(1), hidden.flatten(1)
    pairs = (counts[:, :, None] & counts[:, None, :]) & (true[:, :, None] > true[:, None, :])
    apart = said[:, :, None] - said[:, None, :]
    return torch.where(pairs, F.softplus(-apart), apart.new_zeros(())).sum() / pairs.sum().clamp(min=1)


def contrast_loss(queries: Tensor, keys: Tensor, own: Tensor, kin: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding a query's own key among those of the batch.

    Parameters
    ----------
    queries
        (q, D), of length 1.
    keys
        (k, D), of length 1.
    own
        int64, (q,): which key is of the same picture.
    kin
        bool, (q, k): keys of other pictures of the same patient, which are neither to be found nor to be shunned.
    """
    logits = (queries @ keys.t()) / temperature
    return F.cross_entropy(logits.masked_fill(kin, FAR), own)
