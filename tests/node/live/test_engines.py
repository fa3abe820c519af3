"""A session uses the running node's engine where there is one, and an own one where there is none, or none any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from models.engine import EngineClosed, FrameInput, PackageFault, Priority, TaskFindings
from models.engine.shared import RemoteEngine
from node.config import Settings
from node.live import NodeOrOwnEngine
from tests.node.live.fakes import TASK, NodesEngine, ScriptedEngine, length, sharing

FRAME = FrameInput(pixels=np.zeros((64, 64), np.uint8), frame=1, view=(0, 0, 63, 63))


class OwnEngine(ScriptedEngine):
    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"node": {"data_dir": str(tmp_path / "var")}})


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> OwnEngine:
    engine = OwnEngine(answer=lambda number: [length(7.0)])
    monkeypatch.setattr("node.worker.engine_of", lambda packages, models: engine)
    return engine


@pytest.fixture
def node(settings: Settings) -> Iterator[NodesEngine]:
    """A node that runs on the data folder."""
    engine = NodesEngine(answer=lambda number: [length(3.0)])
    with sharing(engine, settings.data_dir):
        yield engine


def value(found: TaskFindings) -> float:
    return found.findings[0].value


def test_engine__no_node_ever_ran__is_its_own_and_no_folder_is_made(settings: Settings, own: OwnEngine) -> None:
    with NodeOrOwnEngine(settings, [], TASK) as engine:
        assert value(engine.run(TASK, [FRAME], priority=Priority.STAT)) == 7.0
        assert engine.where == "its own"
    assert own.closed
    assert not settings.data_dir.exists()


def test_engine__node_runs__is_the_nodes_and_its_frames_go_first(settings: Settings, node: NodesEngine) -> None:
    with NodeOrOwnEngine(settings, [], TASK) as engine:
        for _ in range(3):
            assert value(engine.run(TASK, [FRAME], priority=Priority.STAT)) == 3.0
        assert engine.where == "the running node's"
    assert [priority for _, _, priority in node.asked] == [Priority.STAT] * 3


def test_engine__node_lacks_the_task__is_its_own(settings: Settings, node: NodesEngine, own: OwnEngine) -> None:
    with NodeOrOwnEngine(settings, [], "another-task") as engine:
        engine.run("another-task", [FRAME], priority=Priority.STAT)
        assert engine.where == "its own"


def test_engine__node_goes_away_between_frames__own_one_takes_over(
    settings: Settings, own: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        with sharing(NodesEngine(), settings.data_dir):
            engine = stack.enter_context(NodeOrOwnEngine(settings, [], TASK))
            engine.run(TASK, [FRAME], priority=Priority.STAT)

        def gone(*_: object, **__: object) -> TaskFindings:
            raise EngineClosed("the engine went away")

        monkeypatch.setattr(RemoteEngine, "run", gone)
        assert value(engine.run(TASK, iter([FRAME]), priority=Priority.STAT)) == 7.0
        assert engine.where == "its own"


def test_engine__package_fails_in_the_node__fault_is_told_and_the_next_frame_is_answered(
    settings: Settings, node: NodesEngine
) -> None:
    node.answer = lambda number: PackageFault("no number")
    with NodeOrOwnEngine(settings, [], TASK) as engine:
        with pytest.raises(PackageFault, match="no number"):
            engine.run(TASK, [FRAME], priority=Priority.STAT)
        node.answer = lambda number: [length(3.0)]
        assert value(engine.run(TASK, [FRAME], priority=Priority.STAT)) == 3.0
