"""The engine: task packages kept in memory, frames in, findings out."""

from models.engine.engine import Engine, TaskFindings
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
from models.frames import FrameInput

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
