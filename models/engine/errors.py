"""What can go wrong with one job in the engine; other jobs are not touched.

EngineError
├── UnknownTask
├── BadFrame
├── PackageFault
└── JobCancelled
"""

from __future__ import annotations


class EngineError(Exception):
    """One job cannot be answered."""

    code: str = "engine"
    retryable: bool = False


class UnknownTask(EngineError):
    """No package answers this task."""

    code = "engine-unknown-task"


class BadFrame(EngineError):
    """A frame is of a shape or type that nobody can look at."""

    code = "engine-bad-frame"


class PackageFault(EngineError):
    """A package raised, or gave numbers that are none."""

    code = "engine-package-fault"


class JobCancelled(EngineError):
    """The job was cancelled while it ran."""

    code = "engine-cancelled"
