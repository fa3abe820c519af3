"""`live`: one task on a running acquisition."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.exits import USAGE, CommandFailed
from node.cli.options import ConfigOption, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from integration.live import FrameSource, SourceOptions
    from integration.pixels import View
    from models.packages import TaskPackage
    from node.cli.live_display import Display
    from node.config import Settings
    from node.live import Advisor, LiveOptions, LiveSession, NodeOrOwnEngine, Smoothing

LOOK_S: Final = 0.2  # how soon a display shows that no frames come, and the end is noticed
POSITIVE: Final = 0.001


@dataclass(slots=True, kw_only=True)
class _Until:
    """When to end by oneself, and whether somebody ended it."""

    results: int | None
    seconds: float | None  # from when the session runs
    told: threading.Event = field(default_factory=threading.Event)
    _at: float | None = None  # monotonic s

    def begin(self) -> None:
        """The session runs from now on."""
        self._at = None if self.seconds is None else time.monotonic() + self.seconds

    def reached(self, answers: int) -> bool:
        """Whether to end, after so many answers."""
        if self.results is not None and answers >= self.results:
            return True
        return self.told.is_set() or (self._at is not None and time.monotonic() >= self._at)


def live(  # noqa: PLR0913 - each is an option of the command
    task: Annotated[str, typer.Argument(help="Task, from `models list`.")],
    source: Annotated[
        str,
        typer.Argument(
            help="folder:PATH (new DICOM, PNG and JPEG files), tcp://HOST:PORT or udp://HOST:PORT (JPEG frames, "
            "received on that address of this machine), or device:NUMBER (a capture device)."
        ),
    ],
    budget_ms: Annotated[
        float | None, typer.Option(min=1, help="Answers later than this are stale (default: live.budget_ms, 200).")
    ] = None,
    smooth_s: Annotated[
        float | None, typer.Option(min=0, help="Window of medians in seconds, 0 for none (default: live.smooth_s, 1).")
    ] = None,
    pixel_spacing: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="ROW COL", help="Distance of rows and of columns in mm, for what is not DICOM."),
    ] = None,
    view: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(metavar="LEFT TOP RIGHT BOTTOM", help="Only this rectangle of the frame is looked at, in pixels."),
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="End after so many answers.")] = None,
    seconds: Annotated[float | None, typer.Option(min=POSITIVE, help="End after so many seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each answer.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run a task on the frames of a running acquisition and show what it finds, until Ctrl-C.

    The newest frame goes first; frames whose turn did not come are dropped and counted.

    The engine of the running node is used where there is one.

    Lengths are in pixels without a DICOM calibration or --pixel-spacing.

    Lines of --json: schema, event ("result"), time (of receipt), task, package_digest, frame, latency_ms, budget_ms,
    dropped, stale, research_use_only, guidance, findings (as of `predict --json`, steadied); the last has the event
    "summary". All about it: docs/live.md.
    """
    from node import logs

    settings = settings_of(config)
    package, quality = _packages(task, settings)
    options = _options(task, settings, (budget_ms, smooth_s), view)
    opened = _source(source, _source_options(settings, pixel_spacing))
    logs.setup(form=settings.logs.format, level="WARNING")
    try:
        engine = _engine([package, *quality], settings, task)
        advisor = _advisor(quality, engine, options.smoothing)
        _run(opened, engine, (options, advisor), (frames, seconds), (as_json, settings.results.research_use))
    finally:
        opened.close()


def _run(
    source: FrameSource,
    engine: NodeOrOwnEngine,
    how: tuple[LiveOptions, Advisor | None],
    limits: tuple[int | None, float | None],
    output: tuple[bool, bool],
) -> None:
    from node.cli.live_display import display_for
    from node.live import LiveSession, warm

    options, advisor = how
    frames, seconds = limits
    display = display_for(as_json=output[0], research_use=output[1])
    with _until(frames, seconds) as until, engine, LiveSession(source, engine, options, advisor) as session:
        warm(engine, options.task, advisor)  # what comes meanwhile is received, so that nothing old waits anywhere
        try:
            with display:
                display.begin(f"{options.task} on {source.where}, engine: {engine.where}")
                _watch(session, display, until)
        finally:
            session.close()
            summary = session.summary()
            display.end(summary)
    if summary.answered + summary.stale == 0 and not until.told.is_set():
        raise CommandFailed(f"no frame was answered ({summary.seen} came in, {summary.bad} of them bad)")


def _watch(session: LiveSession, display: Display, until: _Until) -> None:
    until.begin()
    answers, last = 0, time.monotonic()
    while not until.reached(answers) and not session.over:
        result = session.next(LOOK_S)
        if result is None:
            display.wait(time.monotonic() - last)
            continue
        answers, last = answers + 1, time.monotonic()
        display.show(result)


@contextmanager
def _until(results: int | None, seconds: float | None) -> Iterator[_Until]:
    """Ctrl-C and SIGTERM end the session after the frame in hand; a second one ends it at once."""
    until = _Until(results=results, seconds=seconds)

    def told(number: int, _: object) -> None:
        until.told.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before: dict[int, Any] = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield until
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _packages(task: str, settings: Settings) -> tuple[TaskPackage, Sequence[TaskPackage]]:
    """The task's package, and at most one of scan quality beside it."""
    from node.installed import installed
    from node.live import quality_settings

    packages, _ = installed(settings)
    package = next((each for each in packages if each.identity.task == task), None)
    if package is None:
        known = ", ".join(each.identity.task for each in packages) or "none"
        raise CommandFailed(f"no task package is called '{task}'; there are: {known}", USAGE)
    if package.identity.trial:
        typer.echo(f"{task} is a trial, nobody should rely on it: {package.identity.trial}", err=True)
    return package, [each for each in packages if quality_settings(each) is not None][:1]


def _engine(packages: Sequence[TaskPackage], settings: Settings, task: str) -> NodeOrOwnEngine:
    from node.live import NodeOrOwnEngine

    return NodeOrOwnEngine(settings, packages, task)


def _advisor(quality: Sequence[TaskPackage], engine: NodeOrOwnEngine, smoothing: Smoothing) -> Advisor | None:
    from node.live import Advisor, quality_settings

    for package in quality:
        judged = quality_settings(package)
        if judged is not None:
            return Advisor(engine=engine, task=package.identity.task, settings=judged, smoothing=smoothing)
    return None


def _options(
    task: str,
    settings: Settings,
    numbers: tuple[float | None, float | None],
    view: tuple[int, int, int, int] | None,
) -> LiveOptions:
    from node.live import LiveOptions, Smoothing

    budget_ms, smooth_s = numbers
    given = settings.live
    return LiveOptions(
        task=task,
        budget_ms=given.budget_ms if budget_ms is None else budget_ms,
        smoothing=Smoothing(
            window_s=given.smooth_s if smooth_s is None else smooth_s, confirm=given.confirm, forget=given.forget
        ),
        view=None if view is None else _rectangle(view),
    )


def _rectangle(view: tuple[int, int, int, int]) -> View:
    from integration.pixels import View

    left, top, right, bottom = view
    if not (0 <= left < right and 0 <= top < bottom):
        raise CommandFailed("--view takes LEFT TOP RIGHT BOTTOM in pixels, from 0, left before right, top first", USAGE)
    return View(left=left, top=top, right=right, bottom=bottom)


def _source_options(settings: Settings, pixel_spacing: tuple[float, float] | None) -> SourceOptions:
    from integration.live import SourceOptions

    if pixel_spacing is not None and not min(pixel_spacing) > 0:
        raise CommandFailed("--pixel-spacing takes two numbers above zero, in mm", USAGE)
    return SourceOptions(
        max_frame_bytes=settings.live.max_frame_bytes,
        max_frame_pixels=settings.live.max_frame_pixels,
        pixel_spacing=pixel_spacing,
        poll_s=settings.live.poll_s,
    )


def _source(address: str, options: SourceOptions) -> FrameSource:
    from integration.live import BadSource, open_source

    try:
        return open_source(address, options)
    except BadSource as error:
        raise CommandFailed(str(error), USAGE) from error
