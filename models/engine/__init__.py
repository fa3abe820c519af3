"""The engine: task packages kept in memory, frames in, findings out."""

from models.engine.engine import Engine, TaskFindings
from models.engine.errors import BadFrame, EngineError, JobCancelled, PackageFault, UnknownTask
from models.engine.frame import FrameInput

__all__ = [
    "BadFrame",
    "Engine",
    "EngineError",
    "FrameInput",
    "JobCancelled",
    "PackageFault",
    "TaskFindings",
    "UnknownTask",
]
