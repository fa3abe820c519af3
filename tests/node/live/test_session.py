"""A session decides which frame is looked at, marks what is late, and counts every frame exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import astuple

import pytest

from integration.live import Broken, SourceLost
from integration.pixels import NotAnImage, View
from models.engine import BadFrame, PackageFault, Priority, UnknownTask
from models.findings import Category, Code, Narrative, Quantity
from models.packages.settings_pictures import QualitySettings
from node.live import Advisor, LiveOptions, LiveResult, LiveSession, Smoothing, warm
from tests.node.live.fakes import IDENTITY, TASK, ScriptedEngine, ScriptedSource, frame, image, length, nothing
from tests.node.live.test_guidance import SETTINGS, judged

SOON_S = 20.0
OPTIONS = LiveOptions(task=TASK)


def refuse() -> None:
    raise NotAnImage("a frame is no whole JPEG picture")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def results(session: LiveSession) -> list[LiveResult]:
    """All results until the source has ended."""
    found = []
    while not session.over:
        result = session.next(SOON_S)
        if result is not None:
            found.append(result)
    return found


def counts(session: LiveSession) -> dict[str, int]:
    summary = session.summary()
    names = ("seen", "answered", "stale", "dropped", "bad", "failed")
    return {name: count for name in names if (count := getattr(summary, name))}


def one_after_another(count: int, engine: ScriptedEngine) -> ScriptedSource:
    """A source whose next frame comes only when the one before was asked about."""
    asked = [threading.Event() for _ in range(count)]
    engine.before = lambda number: asked[number - 1].set()
    steps: list = []
    for number, event in enumerate(asked):
        steps += [frame(number / 10), event]
    return ScriptedSource(steps)


def test_session__frames_come_while_one_is_looked_at__newest_is_next_and_the_others_are_dropped() -> None:
    begun, rest_there = threading.Event(), threading.Event()

    def before(number: int) -> None:
        begun.set()
        assert rest_there.wait(SOON_S)

    source = ScriptedSource([frame(), begun, frame(), frame(), frame(), rest_there.set])
    with LiveSession(source, ScriptedEngine(before=before), OPTIONS, clock=Clock()) as session:
        found = results(session)
    assert [result.frame for result in found] == [1, 4]
    assert [finding.frame for finding in found[1].findings] == [4]
    assert found[1].dropped == 2
    assert counts(session) == {"seen": 4, "answered": 2, "dropped": 2}
    assert source.closed


def test_session__answer_later_than_the_budget__is_stale_and_counted() -> None:
    clock = Clock()

    def before(number: int) -> None:
        clock.now += 0.3

    with LiveSession(ScriptedSource([frame(0.0)]), ScriptedEngine(before=before), OPTIONS, clock=clock) as session:
        (result,) = results(session)
    assert result.stale
    assert result.latency_ms == pytest.approx(300)
    assert counts(session) == {"seen": 1, "stale": 1}
    assert session.summary().median_ms == pytest.approx(300)


def test_session__answer_within_the_budget__is_current() -> None:
    with LiveSession(ScriptedSource([frame(0.0)]), ScriptedEngine(), OPTIONS, clock=Clock()) as session:
        (result,) = results(session)
    assert not result.stale
    assert result.identity == IDENTITY


def test_session__broken_and_undecodable_frames__are_counted_and_the_rest_goes_on() -> None:
    engine = ScriptedEngine()
    asked = threading.Event()
    engine.before = lambda number: asked.set()
    decoded = threading.Event()

    def bad() -> None:
        decoded.set()
        refuse()

    steps = [Broken(reason="torn"), frame(opened=bad), decoded, frame(), asked]
    with LiveSession(ScriptedSource(steps), engine, OPTIONS, clock=Clock()) as session:
        found = results(session)
    assert [result.frame for result in found] == [3]
    assert counts(session) == {"seen": 3, "answered": 1, "bad": 2}


def test_session__frame_that_the_engine_cannot_take__is_bad() -> None:
    engine = ScriptedEngine(answer=lambda number: BadFrame("the view leaves the frame"))
    with LiveSession(ScriptedSource([frame()]), engine, OPTIONS, clock=Clock()) as session:
        assert results(session) == []
    assert counts(session) == {"seen": 1, "bad": 1}


def test_session__one_frame_fails__is_counted_and_the_next_is_answered() -> None:
    engine = ScriptedEngine(answer=lambda number: PackageFault("no number") if number == 1 else [length(1.0, number)])
    with LiveSession(one_after_another(2, engine), engine, OPTIONS, clock=Clock()) as session:
        assert [result.frame for result in results(session)] == [2]
    assert counts(session) == {"seen": 2, "answered": 1, "failed": 1}


def test_session__package_fails_on_every_frame__ends_with_its_error() -> None:
    engine = ScriptedEngine(answer=lambda number: PackageFault("no number"))
    with LiveSession(one_after_another(5, engine), engine, OPTIONS, clock=Clock()) as session:
        with pytest.raises(PackageFault, match="no number"):
            results(session)


def test_session__task_that_nobody_has__ends_at_once() -> None:
    engine = ScriptedEngine(answer=lambda number: UnknownTask("no package answers"))
    with LiveSession(ScriptedSource([frame()]), engine, OPTIONS, clock=Clock()) as session:
        with pytest.raises(UnknownTask):
            session.next(SOON_S)


@pytest.mark.parametrize("fault", [SourceLost("the device is gone"), ZeroDivisionError()])
def test_session__source_fails__last_frame_is_answered_and_the_fault_told(fault: Exception) -> None:
    with LiveSession(ScriptedSource([frame(), fault]), ScriptedEngine(), OPTIONS, clock=Clock()) as session:
        assert session.next(SOON_S) is not None
        with pytest.raises(type(fault)):
            session.next(SOON_S)


def test_session__nothing_comes__gives_none_when_the_time_is_over() -> None:
    held = threading.Event()
    with LiveSession(ScriptedSource([held]), ScriptedEngine(), OPTIONS) as session:
        assert session.next(0.01) is None
        assert not session.over
        held.set()


def test_session__its_frames__go_before_all_other_work() -> None:
    engine = ScriptedEngine()
    with LiveSession(ScriptedSource([frame()]), engine, OPTIONS, clock=Clock()) as session:
        results(session)
    assert [priority for _, _, priority in engine.asked] == [Priority.STAT]


def test_session__given_a_view__only_that_is_looked_at() -> None:
    engine = ScriptedEngine()
    options = LiveOptions(task=TASK, view=View(left=5, top=6, right=40, bottom=50))
    with LiveSession(ScriptedSource([frame()]), engine, options, clock=Clock()) as session:
        results(session)
    assert [given.view for _, given, _ in engine.asked] == [(5, 6, 40, 50)]


@pytest.mark.parametrize(("spacing", "unit"), [((0.5, 0.5), "mm"), (None, "px")])
def test_session__lengths__are_millimetres_only_with_a_scale(spacing: tuple[float, float] | None, unit: str) -> None:
    source = ScriptedSource([frame(opened=lambda: image(spacing=spacing))])
    with LiveSession(source, ScriptedEngine(), OPTIONS, clock=Clock()) as session:
        ((result),) = results(session)
    (found,) = result.findings
    assert isinstance(found, Quantity)
    assert found.unit == unit
    assert (found.reason is None) == (unit == "mm")


def test_session__numbers_flicker__are_steadied_over_frames() -> None:
    engine = ScriptedEngine(answer=lambda number: [length(900.0 if number == 3 else 100.0, number)])
    with LiveSession(one_after_another(4, engine), engine, OPTIONS, clock=Clock()) as session:
        found = [result.findings[0] for result in results(session)]
    assert [each.value for each in found if isinstance(each, Quantity)] == [100.0] * 4


# Guidance ------------------------------------------------------------------------------------------------------------


def guided(engine: ScriptedEngine, advisor: Callable[[ScriptedEngine], Advisor] | None = None, count: int = 1):
    source = one_after_another(count, engine)
    made = advisor(engine) if advisor is not None else None
    with LiveSession(source, engine, OPTIONS, made, clock=Clock()) as session:
        return [result.guidance for result in results(session)]


def test_guidance__task_is_silent__its_reason_is_told() -> None:
    assert guided(ScriptedEngine(answer=lambda number: [nothing("not a fetal head")])) == [("not a fetal head",)]


def test_guidance__task_found_something_and_advises_nothing__nothing_is_made_up() -> None:
    assert guided(ScriptedEngine()) == [()]


def test_guidance__task_advises__its_words_are_told() -> None:
    advice = Narrative(name="guidance", group="view 1", frame=1, text="tilt towards the head")
    assert guided(ScriptedEngine(answer=lambda number: [length(1.0), advice])) == [("tilt towards the head",)]


class Quality(ScriptedEngine):
    """Answers the task of scan quality too; `lack` is what it finds or the error it raises."""

    lack: Category | Exception = judged("gain", "poor", 0.9)

    def run(self, task, frames, *, priority):
        if task == TASK:
            return super().run(task, frames, priority=priority)
        self.asked.append((task, *frames, priority))
        if isinstance(self.lack, Exception):
            raise self.lack
        return type(super().run(TASK, [self.asked[-1][1]], priority=priority))(identity=IDENTITY, findings=(self.lack,))


def advisor(engine: ScriptedEngine) -> Advisor:
    return Advisor(engine=engine, task="scan-quality", settings=SETTINGS, smoothing=Smoothing())


def test_guidance__quality_task_is_installed__its_advice_stands_beside_the_next_answer() -> None:
    assert guided(Quality(), advisor, count=2) == [(), ("turn the gain down (poor gain)",)]


def test_guidance__quality_task_does_not_run__findings_go_on_without_advice(caplog: pytest.LogCaptureFixture) -> None:
    engine = Quality()
    engine.lack = PackageFault("it raised")
    assert guided(engine, advisor, count=3) == [(), (), ()]
    assert [task for task, _, _ in engine.asked].count("scan-quality") == 1
    assert "No advice" in caplog.text


def test_advice__of_a_frame_long_ago__is_not_told() -> None:
    made = advisor(Quality())
    warm(Quality(), TASK, made)
    assert made.words(0.0) == ()


def test_warm__loads_both_tasks_before_the_first_frame() -> None:
    engine = Quality()
    warm(engine, TASK, advisor(engine))
    assert {task for task, _, _ in engine.asked} == {TASK, "scan-quality"}


def test_summary__all_counts__add_up_to_what_was_seen() -> None:
    engine = ScriptedEngine(answer=lambda number: BadFrame("bad") if number % 3 == 0 else [length(1.0, number)])
    with LiveSession(ScriptedSource([frame() for _ in range(50)]), engine, OPTIONS, clock=Clock()) as session:
        results(session)
    seen, *others = astuple(session.summary())[:6]
    assert seen == 50 == sum(others)


def test_quality_settings__code__is_what_the_findings_carry() -> None:
    assert isinstance(SETTINGS, QualitySettings)
    assert SETTINGS.aspects[0].poor.to_code() == Code(value="poor gain", scheme="99TEST", meaning="poor gain")
