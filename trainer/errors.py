"""What can go wrong while training.

TrainerError
├── MissingData
└── WrongCheckpoint
"""

from __future__ import annotations


class TrainerError(Exception):
    """Any of the trainer's own faults."""

    code: str = "trainer"
    retryable: bool = False


class MissingData(TrainerError):
    """A data set, or a part of it, is not there."""

    code = "missing-data"


class WrongCheckpoint(TrainerError):
    """A checkpoint belongs to another recipe."""

    code = "wrong-checkpoint"
