"""From live frames to findings: newest first, late ones marked, numbers steadied, advice beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

import numpy as np

from integration.live import FrameSource, LiveImage
from integration.pixels import Calibration, PixelError, View, in_physical_units
from models.engine import (
    BadFrame,
    DoesNotFit,
    EngineError,
    FrameInput,
    PackageHung,
    Priority,
    TaskFindings,
    UnknownTask,
)
from models.findings import Finding
from models.packages import PackageError
from node.live.advice import Advisable, Advisor
from node.live.engines import TaskEngine
from node.live.guidance import own_guidance, silence
from node.live.receiving import Numbered, Receiver
from node.live.result import LiveResult
from node.live.smoothing import Smoother, Smoothing
from node.live.tally import Summary, Tally

MOST_FAILURES: Final = 5  # frames in a row without an answer, after which the package is at fault and not a frame
HOPELESS: Final = (UnknownTask, DoesNotFit, PackageHung, PackageError)
BLANK: Final = (256, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """How a session runs."""

    task: str
    budget_ms: float = 200.0  # from receipt to answer
    smoothing: Smoothing = field(default_factory=Smoothing)
    view: View | None = None  # the only rectangle to look at; None: those that the frame declares, else all of it


class LiveSession:
    """One task on one source.

    Parameters
    ----------
    source
        Received from at once, in a thread of its own; closed with the session.
    engine
        Asked from the thread that asks for results. Not closed.
    options
        Task, budget, smoothing.
    advisor
        Asked about each answered frame.
    clock
        Seconds, as frames carry them.
    """

    def __init__(
        self,
        source: FrameSource,
        engine: TaskEngine,
        options: LiveOptions,
        advisor: Advisor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._options, self._clock = engine, options, clock
        self._tally = Tally()
        self._smoother = Smoother(options.smoothing)
        self._advisor = advisor
        self._answered: Advisable | None = None  # the frame that the advisor is still to be asked about
        self._failures = 0
        self._receiver = Receiver(source, self._tally)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Receive no more; after that the counts are final."""
        self._receiver.close()

    @property
    def over(self) -> bool:
        """Whether the source has ended and all that could be answered was."""
        return self._receiver.over

    def summary(self) -> Summary:
        """What became of the frames so far."""
        return self._tally.summary()

    def next(self, within_s: float) -> LiveResult | None:
        """Look at the newest frame.

        Parameters
        ----------
        within_s
            How long to wait for one.

        Returns
        -------
        LiveResult or None
            None where no frame came, or the one that came was bad or not answered: both are counted.

        Raises
        ------
        LiveError
            The source is lost.
        EngineError, PackageError
            The task cannot be run at all, or failed several times in a row.
        """
        self._advise()
        taken = self._receiver.take(within_s)
        if taken is None:
            return None
        try:
            image = taken.frame.open()
        except PixelError:
            self._tally.add("bad")
            return None
        frame = Advisable(inputs=self._inputs(taken, image), received_at=taken.frame.received_at, view=_view_of(image))
        found = self._ask(frame)
        return None if found is None else self._result(taken.number, frame, found, image.calibration)

    def _ask(self, frame: Advisable) -> TaskFindings | None:
        try:
            found = self._engine.run(self._options.task, frame.inputs, priority=Priority.STAT)
        except BadFrame:
            self._tally.add("bad")
            return None
        except HOPELESS:
            raise
        except EngineError:
            self._failures += 1
            self._tally.add("failed")
            if self._failures >= MOST_FAILURES:
                raise
            return None
        self._failures = 0
        return found

    def _inputs(self, taken: Numbered, image: LiveImage) -> list[FrameInput]:
        views = image.views if self._options.view is None else (self._options.view,)
        return [
            FrameInput(
                pixels=image.pixels,
                frame=taken.number,
                view=(view.left, view.top, view.right, view.bottom),
                pixel_aspect=image.calibration.pixel_aspect(view),
            )
            for view in views
        ]

    def _result(self, number: int, frame: Advisable, found: TaskFindings, calibration: Calibration) -> LiveResult:
        measured = in_physical_units(found.findings, calibration)
        findings = self._smoother.smooth(measured, frame.received_at, frame.view)
        self._answered = frame
        now = self._clock()
        latency_ms = 1000 * (now - frame.received_at)
        stale = latency_ms > self._options.budget_ms
        self._tally.answered(latency_ms, stale=stale)
        return LiveResult(
            time=datetime.now(UTC) - timedelta(milliseconds=latency_ms),
            frame=number,
            latency_ms=latency_ms,
            budget_ms=self._options.budget_ms,
            stale=stale,
            dropped=self._tally.dropped,
            identity=found.identity,
            findings=findings,
            guidance=self._guidance(findings, now),
        )

    def _guidance(self, findings: tuple[Finding, ...], now: float) -> tuple[str, ...]:
        advised = self._advisor.words(now) if self._advisor is not None else ()
        return (*own_guidance(findings), *advised) or silence(findings)

    def _advise(self) -> None:
        """Ask about the frame that was answered last: its answer is out, so this delays none about itself."""
        frame, self._answered = self._answered, None
        if frame is not None and self._advisor is not None:
            self._advisor.look(frame)


def warm(engine: TaskEngine, task: str, advisor: Advisor | None = None) -> None:
    """Let the engine load what it needs before the first frame comes.

    Raises
    ------
    EngineError, PackageError
        The task cannot be run.
    """
    blank = FrameInput(pixels=np.zeros(BLANK, np.uint8), frame=1, view=(0, 0, BLANK[1] - 1, BLANK[0] - 1))
    engine.run(task, [blank], priority=Priority.STAT)
    if advisor is not None:
        advisor.look(Advisable(inputs=[blank], received_at=float("-inf"), view=None))


def _view_of(image: LiveImage) -> tuple[object, ...]:
    """What must stay the same for two frames to be comparable."""
    return image.pixels.shape[:2], image.views, image.calibration
