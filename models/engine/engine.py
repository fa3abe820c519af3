"""Frames in, findings out: one resident network a task, frames looked at one after another.

On a CPU each frame goes through the network alone, so its findings do not depend on what was beside it; on an
accelerator up to `max_batch` frames go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engine.errors import JobCancelled, PackageFault, UnknownTask
from models.engine.frame import FrameInput, square_of
from models.engine.reading import Reading, read
from models.engine.say import answers, mask_finding, no_finding, quantities
from models.findings import Finding, Mask, TaskIdentity
from models.network import TaskNetwork
from models.packages.package import TaskPackage
from models.packages.weights import network_of
from models.preprocess import normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFindings:
    """What one task says of the frames it was given."""

    identity: TaskIdentity
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a network said of one square."""

    likely: NDArray[np.float32]  # (S, S), probability of the structure
    scope: float
    logit: float | None  # of the card's question


@dataclass(slots=True, kw_only=True, eq=False)
class Best:
    """The frame of one view that is measured: the surest so far."""

    reading: Reading
    square: NDArray[np.uint8]


def never() -> bool:
    """A job that nobody cancels."""
    return False


def unheard(frames_done: int) -> None:
    """Progress that nobody follows."""


class Engine:
    """Runs task packages; may be called from several threads, one network pass at a time.

    Parameters
    ----------
    packages
        As `models.packages.discover` gives them.
    device
        `auto` takes an accelerator if there is one; else a torch device name.
    max_batch
        Frames in one network pass on an accelerator.
    threads
        CPU threads of a pass; None leaves torch's own choice.
    """

    def __init__(
        self, packages: Sequence[TaskPackage], device: str = "auto", max_batch: int = 4, threads: int | None = None
    ) -> None:
        self._packages = {package.identity.task: package for package in packages}
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._device = torch.device(name)
        self._max_batch = max(1, max_batch)
        self._networks: dict[str, TaskNetwork] = {}
        self._lock = Lock()
        if threads is not None:
            torch.set_num_threads(threads)

    def run(
        self,
        task: str,
        frames: Iterable[FrameInput],
        *,
        cancelled: Callable[[], bool] = never,
        progress: Callable[[int], None] = unheard,
    ) -> TaskFindings:
        """Look at every view of every frame and say what was found.

        Masks are given for each frame that passes the card's gates, measurements and answers for the surest frame
        of each view. Frames are taken one batch at a time and not kept.

        Parameters
        ----------
        task
            Name of the task.
        frames
            Views in order of frames; taken lazily.
        cancelled
            Asked before each batch.
        progress
            Told after each batch how many views were looked at.

        Raises
        ------
        UnknownTask
            No package answers the task.
        BadFrame
            A frame cannot be looked at.
        PackageFault
            The package raised, or gave numbers that are not finite.
        JobCancelled
            `cancelled` said so.
        """
        package = self._package(task)
        best: dict[tuple[int, int, int, int], Best] = {}
        silent: Reading | None = None
        masks: list[Mask] = []
        done = 0
        stream = iter(frames)
        while chunk := self._next(stream, cancelled):
            squares = [square_of(given, package.card.input.size) for given in chunk]
            looks = self.look(package, [square for square, _ in squares])
            for given, (square, place), look in zip(chunk, squares, looks, strict=True):
                reading = read(look.likely, look.scope, given.frame, place, package.card)
                if reading.silence is not None:
                    silent = reading if silent is None or reading.scope > silent.scope else silent
                    continue
                self._keep(best, reading, square)
                masks += self._masked(reading, best, package)
            done += len(chunk)
            progress(done)
        return TaskFindings(identity=package.identity, findings=self._findings(package, best, masks, silent))

    def _findings(
        self,
        package: TaskPackage,
        best: dict[tuple[int, int, int, int], Best],
        masks: list[Mask],
        silent: Reading | None,
    ) -> tuple[Finding, ...]:
        said: list[Finding] = []
        for number, kept in enumerate(best.values(), 1):
            group = f"{package.card.structure.name} {number}"
            reading, logit = self._second_look(package, kept)
            better = mask_finding(reading, group, package.card)
            if better is not None:
                masks = [better if m.group == group and m.frame == reading.frame else m for m in masks]
            said += quantities(reading, group, package.card)
            question = package.card.question
            if question is not None and logit is not None:
                sure = 1 / (1 + np.exp(-(logit / question.temperature + question.shift)))
                said += answers(float(sure), reading, group, package.card, question)
        if not best and silent is not None:
            said.append(no_finding(silent, package.card))
        return (*masks, *said)

    def _masked(
        self, reading: Reading, best: dict[tuple[int, int, int, int], Best], package: TaskPackage
    ) -> list[Mask]:
        number = list(best).index(reading.place.view) + 1
        mask = mask_finding(reading, f"{package.card.structure.name} {number}", package.card)
        return [] if mask is None else [mask]

    def _keep(self, best: dict[tuple[int, int, int, int], Best], reading: Reading, square: NDArray[np.uint8]) -> None:
        kept = best.get(reading.place.view)
        if kept is None or reading.confidence > kept.reading.confidence:
            best[reading.place.view] = Best(reading=reading, square=square)

    def _second_look(self, package: TaskPackage, kept: Best) -> tuple[Reading, float | None]:
        """The measured frame once more, also mirrored: the mean of both looks is steadier than one."""
        plain, mirrored = self.look(package, [kept.square, np.ascontiguousarray(kept.square[:, ::-1])])
        likely = np.asarray((plain.likely + mirrored.likely[:, ::-1]) / 2, dtype=np.float32)
        reading = read(likely, kept.reading.scope, kept.reading.frame, kept.reading.place, package.card)
        if reading.component is None or (package.card.measures == "ellipse" and reading.ellipse is None):
            reading = kept.reading
        logit = None
        if plain.logit is not None and mirrored.logit is not None:
            logit = (plain.logit + mirrored.logit) / 2
        return reading, logit

    def _package(self, task: str) -> TaskPackage:
        if task not in self._packages:
            known = ", ".join(sorted(self._packages)) or "none"
            raise UnknownTask(f"no package answers the task '{task}'; there are: {known}")
        return self._packages[task]

    def _next(self, stream: Iterator[FrameInput], cancelled: Callable[[], bool]) -> list[FrameInput]:
        if cancelled():
            raise JobCancelled("the job was cancelled while its frames were looked at")
        return list(islice(stream, 1 if self._device.type == "cpu" else self._max_batch))

    def look(self, package: TaskPackage, squares: Sequence[NDArray[np.uint8]]) -> list[Look]:
        """What a package's network says of squares (S, S), before any gate.

        Raises
        ------
        PackageFault
            The package raised, or gave numbers that are not finite.
        """
        task = package.identity.task
        try:
            with self._lock, torch.inference_mode():
                network = self._network(package)
                step = 1 if self._device.type == "cpu" else self._max_batch
                looks: list[Look] = []
                for at in range(0, len(squares), step):
                    looks += _looks(network, torch.from_numpy(np.stack(squares[at : at + step])).to(self._device))
        except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError) as fault:
            raise PackageFault(f"the package of '{task}' failed: {fault}") from fault
        for look in looks:
            numbers = [look.scope, float(look.likely.sum()), look.logit or 0.0]
            if not np.isfinite(numbers).all():
                raise PackageFault(f"the package of '{task}' gave numbers that are not finite")
        return looks

    def _network(self, package: TaskPackage) -> TaskNetwork:
        task = package.identity.task
        if task not in self._networks:
            self._networks[task] = network_of(package).to(self._device)
        return self._networks[task]


def _looks(network: TaskNetwork, squares: Tensor) -> list[Look]:
    answer = network(normalised(squares))
    likely = torch.sigmoid(answer.mask[:, 0]).cpu().numpy()
    scope = torch.sigmoid(answer.scope).cpu().tolist()
    logits: list[float | None] = [None] * len(scope)
    if answer.kind is not None:
        logits = list(answer.kind[:, 0].cpu().tolist())
    return [Look(likely=m, scope=s, logit=k) for m, s, k in zip(likely, scope, logits, strict=True)]
