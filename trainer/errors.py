"""What can go wrong while training.

TrainerError
├── MissingData
├── BadRecipe
├── WrongCheckpoint
└── LearnedTooLittle
"""

from __future__ import annotations


class TrainerError(Exception):
    """Any of the trainer's own faults."""

    code: str = "trainer"
    retryable: bool = False


class MissingData(TrainerError):
    """A data set, or a part of it, is not there."""

    code = "missing-data"


class BadRecipe(TrainerError):
    """A recipe cannot be read or has unknown keys."""

    code = "bad-recipe"


class WrongCheckpoint(TrainerError):
    """A checkpoint belongs to another recipe."""

    code = "wrong-checkpoint"


class LearnedTooLittle(TrainerError):
    """No validation picture is outlined well enough to choose gates by."""

    code = "learned-too-little"
