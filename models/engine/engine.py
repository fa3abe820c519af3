"""The engine: task packages kept in memory, frames in, findings out, for any number of jobs at once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from models.engine.core import Core
from models.engine.device import choose
from models.engine.hands import Hands
from models.engine.metrics import EngineMetrics
from models.engine.options import EngineOptions, Priority, never, unheard
from models.engine.request import Request
from models.errors import JobCancelled, UnknownTask
from models.findings import TaskFindings, TaskIdentity
from models.frames import FrameInput, Place, square_of
from models.packages.package import TaskPackage
from models.readers import Raw, Reader, Seen, reader_of

CANCEL_LOOK_S = 0.2  # how often a job that waits for its turn looks whether it was cancelled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coming:
    """A frame on its way through the core."""

    given: FrameInput
    square: NDArray[np.uint8]
    place: Place
    future: Future[Raw]


class Engine:
    """Runs task packages; may be called from any number of threads. One engine a device and process.

    Parameters
    ----------
    packages
        As `models.packages.discover` gives them. Of two packages of one task the later answers to its name; both answer
        to their digests.
    options
        Limits; or name single ones by keyword.
    """

    def __init__(self, packages: Sequence[TaskPackage], options: EngineOptions | None = None, **single: object) -> None:
        self.options = replace(options or EngineOptions(), **single)  # type: ignore[arg-type]  # replace checks names
        self._by_name = {package.identity.task: package for package in packages}
        self._by_digest = {package.identity.digest: package for package in packages}
        self._device = choose(self.options.device, self.options.precision, self.options.memory_bytes)
        self._hands = Hands(max(1, (os.cpu_count() or 1) - 1))  # one core is left for the passes
        adapted = frozenset(p.encoder.digest for p in self._by_digest.values() if p.card.adapter is not None)
        self._core = Core(self._device, self.options, adapted)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop; jobs that run get `EngineClosed`."""
        self._core.close()

    def metrics(self) -> EngineMetrics:
        """What was done so far."""
        return self._core.metrics()

    @property
    def identities(self) -> tuple[TaskIdentity, ...]:
        """Of the packages that answer to a name, in the order of names."""
        return tuple(self._by_name[task].identity for task in sorted(self._by_name))

    def package(self, task: str) -> TaskPackage:
        """The package of a task's name, or of a package's digest.

        Raises
        ------
        UnknownTask
            There is none.
        """
        found = self._by_digest.get(task) or self._by_name.get(task)
        if found is None:
            known = ", ".join(sorted(self._by_name)) or "none"
            raise UnknownTask(f"no package answers the task '{task}'; there are: {known}")
        return found

    def warm_up(self) -> None:
        """Load every package that fits and look at a blank square once, the pinned ones last so that they stay.

        Raises
        ------
        EngineError, PackageError
            A package does not run; the others were warmed up.
        """
        faults: list[Exception] = []
        for package in sorted(self._by_name.values(), key=lambda p: p.identity.task in self.options.pinned):
            size = package.card.input.size
            try:
                self.look(package.identity.digest, [np.zeros((size, size), np.uint8)])
            except Exception as fault:  # noqa: BLE001 - each package is tried; the first fault is told at the end
                faults.append(fault)
        if faults:
            raise faults[0]

    def run(
        self,
        task: str,
        frames: Iterable[FrameInput],
        *,
        priority: Priority = Priority.ROUTINE,
        cancelled: Callable[[], bool] = never,
        progress: Callable[[int], None] = unheard,
    ) -> TaskFindings:
        """Look at every view of every frame and say what was found.

        Frames are taken a few at a time, as they are wanted, and not kept.

        Parameters
        ----------
        task
            Name of the task, or digest of its package.
        frames
            Views in order of frames; taken lazily.
        cancelled
            Asked before each frame, and while the job waits.
        progress
            Told after each view how many were looked at.

        Raises
        ------
        UnknownTask
            No package answers the task.
        BadFrame
            A frame cannot be looked at.
        PackageFault
            The package raised, hung, or gave numbers that are not finite.
        OutOfMemory, DoesNotFit
            The device has too little memory.
        PackageError
            The package's weights are damaged.
        JobCancelled
            `cancelled` said so.
        EngineClosed
            The engine was closed meanwhile.
        """
        package = self.package(task)
        reader = reader_of(
            package.card.settings,
            lambda gathered: self._conclude(package, gathered, priority),
            likely=self.options.likely,
        )
        window: deque[Coming] = deque()
        done = 0
        try:
            for given in self._taken(frames, cancelled):
                window.append(self._sent(given, package, priority))
                if len(window) >= self._ahead:
                    done += self._read(window.popleft(), reader, priority, cancelled)
                    progress(done)
            while window:
                done += self._read(window.popleft(), reader, priority, cancelled)
                progress(done)
        finally:
            for coming in window:
                coming.future.cancel()
        again = self._looks(package, list(reader.again()), priority, cancelled)
        return TaskFindings(identity=package.identity, findings=reader.findings(again))

    def look(self, task: str, squares: Sequence[NDArray[np.uint8]], priority: Priority = Priority.ROUTINE) -> list[Raw]:
        """What a package's heads say of squares (S, S), before any reader and gate.

        Raises
        ------
        EngineError, PackageError
            As `run`.
        """
        return self._looks(self.package(task), squares, priority, never)

    @property
    def _ahead(self) -> int:
        return 2 if self._device.is_cpu else self.options.ahead * self.options.max_batch

    def _taken(self, frames: Iterable[FrameInput], cancelled: Callable[[], bool]) -> Iterator[FrameInput]:
        stream = iter(frames)
        while True:
            if cancelled():
                raise JobCancelled("the job was cancelled while its frames were looked at")
            try:
                given = next(stream)
            except StopIteration:
                return
            yield given

    def _sent(self, given: FrameInput, package: TaskPackage, priority: Priority) -> Coming:
        with self._hands.held(priority):
            square, place = square_of(given, package.card.input.size)
        return Coming(given=given, square=square, place=place, future=self._asked(package, square, priority))

    def _asked(self, package: TaskPackage, square: NDArray[np.uint8], priority: Priority) -> Future[Raw]:
        request = Request(package=package, square=square)
        self._core.submit(request, priority)
        return request.future

    def _read(self, coming: Coming, reader: Reader, priority: Priority, cancelled: Callable[[], bool]) -> int:
        raw = _answer(coming.future, cancelled)
        pixels = coming.given.pixels if getattr(reader, "wants_pixels", False) else None
        with self._hands.held(priority):
            reader.see(Seen(frame=coming.given.frame, square=coming.square, place=coming.place, raw=raw, pixels=pixels))
        return 1

    def _looks(
        self,
        package: TaskPackage,
        squares: Sequence[NDArray[np.uint8]],
        priority: Priority,
        cancelled: Callable[[], bool],
    ) -> list[Raw]:
        return [_answer(future, cancelled) for future in [self._asked(package, s, priority) for s in squares]]

    def _conclude(self, package: TaskPackage, gathered: NDArray[np.float32], priority: Priority) -> Raw:
        request = Request(package=package, gathered=gathered)
        self._core.submit(request, priority)
        return request.future.result()


def _answer(future: Future[Raw], cancelled: Callable[[], bool]) -> Raw:
    while True:
        try:
            return future.result(CANCEL_LOOK_S)
        except TimeoutError:
            if future.done():
                return future.result()
            if cancelled():
                future.cancel()
                raise JobCancelled("the job was cancelled while it waited for its turn") from None
