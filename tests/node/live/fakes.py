"""A source that follows a script and an engine that answers at once, for sessions whose every step is decided."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from integration.live import Broken, LiveFrame, LiveImage, Received
from integration.pixels import Calibration, View
from models.engine import FrameInput, Priority, TaskFindings
from models.engine.metrics import Counters
from models.engine.shared.server import EngineServer
from models.findings import Category, Code, Finding, Measure, NoFinding, Quantity, TaskIdentity
from node.wake import engine_socket, leave_socket_folder, make_socket_folder

TASK = "fetal-head"
IDENTITY = TaskIdentity(task=TASK, version="1", digest="sha256:" + "a" * 64, encoder_digest="sha256:" + "b" * 64)
MALIGNANT = Code(value="21594007", scheme="SCT", meaning="Malignant")
BENIGN = Code(value="30807003", scheme="SCT", meaning="Benign")


def image(rows: int = 60, columns: int = 80, spacing: tuple[float, float] | None = None) -> LiveImage:
    """A black frame."""
    calibration = Calibration(reason="none given") if spacing is None else Calibration.from_spacing(*spacing)
    whole = View(left=0, top=0, right=columns - 1, bottom=rows - 1)
    return LiveImage(pixels=np.zeros((rows, columns), np.uint8), views=(whole,), calibration=calibration)


def frame(at: float = 0.0, opened: Callable[[], LiveImage] = image) -> LiveFrame:
    """A frame received at a time of the test's clock."""
    return LiveFrame(received_at=at, open=opened)


@dataclass
class ScriptedSource:
    """Gives what it holds, then ends or fails; `steps` may be events that it waits for, or calls."""

    steps: list[Received | threading.Event | Callable[[], None] | Exception]
    where: str = "a script"
    closed: bool = False

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        for step in self.steps:
            match step:
                case LiveFrame() | Broken():
                    yield step
                case threading.Event():
                    assert step.wait(20)
                case Exception():
                    raise step
                case _:
                    step()

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedEngine:
    """Answers with what `answer` makes of the frame's number; exceptions among the answers are raised."""

    answer: Callable[[int], Iterable[Finding] | Exception] = lambda number: [length(100.0, number)]
    before: Callable[[int], None] = lambda number: None
    asked: list[tuple[str, FrameInput, Priority]] = field(default_factory=list)

    def run(self, task: str, frames: Iterable[FrameInput], *, priority: Priority) -> TaskFindings:
        (given,) = frames
        self.asked.append((task, given, priority))
        self.before(given.frame)
        answer = self.answer(given.frame)
        if isinstance(answer, Exception):
            raise answer
        return TaskFindings(identity=IDENTITY, findings=tuple(answer))


@dataclass
class NodesEngine(ScriptedEngine):
    """What a node shares."""

    identities: tuple[TaskIdentity, ...] = (IDENTITY,)

    def metrics(self) -> object:
        return Counters().snapshot(waiting=0, hits=0, misses=0, resident_bytes=0)

    def run(self, task, frames, *, priority, cancelled, progress):
        return super().run(task, frames, priority=priority)


@contextmanager
def sharing(engine: NodesEngine, data_dir: Path) -> Iterator[None]:
    """A node that runs on a data folder, as far as its engine goes."""
    data_dir.mkdir(exist_ok=True)
    place = engine_socket(data_dir)
    make_socket_folder(place.parent)
    server = EngineServer(engine, place)
    try:
        yield
    finally:
        server.close()
        leave_socket_folder(place.parent)


def length(value: float, number: int = 1, at: tuple[float, float] = (10, 10), unit: str = "px") -> Quantity:
    """A caliper that begins at a point."""
    x, y = at
    return Quantity(
        name="length",
        group="thing 1",
        frame=number,
        value=value,
        unit=unit,
        measure=Measure.LENGTH,
        points=((x, y), (x + 20, y + 20)),
    )


def answered(value: Code, probability: float | None = 0.8) -> Category:
    """An answer to one question."""
    return Category(
        name="impression", group="thing 1", frame=1, value=value, probability=probability, confidence=probability
    )


def nothing(reason: str = "not a fetal head (scope score 0.02 < 0.50)") -> NoFinding:
    """Silence with its reason."""
    return NoFinding(name="fetal head", group="fetal head", frame=1, reason=reason)
