"""The engine: task packages kept in memory, frames in, findings out.

`Engine` itself is imported when it is first asked for: it brings torch, which clients of a running engine do without.
"""

from typing import TYPE_CHECKING

from models.engine.metrics import EngineMetrics
from models.engine.options import EngineOptions, Priority
from models.errors import (
    BadFrame,
    DoesNotFit,
    EngineClosed,
    EngineError,
    JobCancelled,
    OutOfMemory,
    PackageFault,
    PackageHung,
    UnknownTask,
)
from models.findings import TaskFindings
from models.frames import FrameInput

if TYPE_CHECKING:
    from models.engine.engine import Engine

__all__ = [
    "BadFrame",
    "DoesNotFit",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineMetrics",
    "EngineOptions",
    "FrameInput",
    "JobCancelled",
    "OutOfMemory",
    "PackageFault",
    "PackageHung",
    "Priority",
    "TaskFindings",
    "UnknownTask",
]


def __getattr__(name: str) -> type:
    if name == "Engine":
        from models.engine.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
