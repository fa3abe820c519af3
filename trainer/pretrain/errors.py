"""What can go wrong while pretraining, beside the trainer's other faults.

TrainerError
├── NotPermissive
├── Diverged
└── MissingExtra
"""

from __future__ import annotations

from trainer.errors import TrainerError


class NotPermissive(TrainerError):
    """Weights to start from learned from data whose licence is not permissive, but only such data is wanted."""

    code = "pretrain-not-permissive"


class Diverged(TrainerError):
    """The loss is no longer a number."""

    code = "pretrain-diverged"


class MissingExtra(TrainerError):
    """A library is not installed that only training needs."""

    code = "pretrain-missing-extra"
