"""What can go wrong with one job; other jobs are not touched.

EngineError
├── UnknownTask
├── BadFrame
├── PackageFault
│   └── PackageHung
├── OutOfMemory
├── DoesNotFit
├── EngineClosed
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


class PackageHung(PackageFault):
    """A package did not come back in time; it is not asked again until the engine is started anew."""

    code = "engine-package-hung"


class OutOfMemory(EngineError):
    """Not even one frame could be looked at in the memory that there is."""

    code = "engine-out-of-memory"
    retryable = True


class DoesNotFit(EngineError):
    """A package is larger than what the device's memory has left beside the pinned ones."""

    code = "engine-does-not-fit"


class EngineClosed(EngineError):
    """The engine was closed while the job ran."""

    code = "engine-closed"
    retryable = True


class JobCancelled(EngineError):
    """The job was cancelled while it ran."""

    code = "engine-cancelled"
