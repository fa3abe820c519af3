"""A measured figure, and what a package says of one picture, run as the node runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.engine import Engine, FrameInput, TaskFindings
from models.packages.package import TaskPackage

PRECISION: Final = "float32"  # figures on cards are measured in it, whatever a processor could do


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A figure with its interval."""

    name: str
    data: str
    value: float
    low: float | None
    high: float | None
    unit: str
    n: int


def engine_of(package: TaskPackage, precision: str = PRECISION) -> Engine:
    """An engine of one package on the CPU, to be closed; in the precision of the figures on cards unless told."""
    return Engine([package], device="cpu", precision=precision)


def look(engine: Engine, task: str, picture: NDArray[np.uint8], times: int = 1) -> TaskFindings:
    """What the engine says of one gray picture (H, W), or of so many frames that all are this picture."""
    height, width = picture.shape[:2]
    view = (0, 0, width - 1, height - 1)
    return engine.run(task, [FrameInput(pixels=picture, frame=number, view=view) for number in range(1, times + 1)])
