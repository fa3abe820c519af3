"""One engine for several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from models.engine import BadFrame, Engine, EngineClosed, FrameInput, JobCancelled, UnknownTask
from models.engine.shared import RemoteEngine
from models.engine.shared.server import EngineServer
from tests.models.engine.made import frames, made


@pytest.fixture
def served(tmp_path):
    torch.set_num_threads(1)
    socket = tmp_path / "engine.sock"
    with Engine(made(tmp_path, "first", "second"), device="cpu") as engine:
        server = EngineServer(engine, socket)
        yield engine, socket
        server.close()


def big(number: int) -> FrameInput:
    """A frame larger than the ones before, in colour."""
    rng = np.random.default_rng(number)
    return FrameInput(pixels=rng.integers(0, 256, (300, 400, 3), np.uint8), frame=number, view=(10, 20, 399, 299))


def test_remote__same_findings_as_in_process(served):
    engine, socket = served
    clip = [*frames(9), big(10), big(11)]
    here, told = engine.run("first", clip), []
    remote = RemoteEngine(socket)
    there = remote.run("first", clip, progress=told.append)
    assert there.identity == here.identity
    assert [repr(f) for f in there.findings] == [repr(f) for f in here.findings]
    assert told[-1] == 11
    assert [i.task for i in remote.about().identities] == ["first", "second"]
    assert remote.about().metrics.squares >= 22
    remote.close()


def test_remote__faults_come_back_as_they_are(served):
    _, socket = served
    remote = RemoteEngine(socket)
    with pytest.raises(UnknownTask, match="second"):
        remote.run("third", frames(5))
    bad = FrameInput(pixels=np.zeros((100, 100), np.uint8), frame=7, view=(0, 0, 100, 99))
    with pytest.raises(BadFrame, match="frame 7"):
        remote.run("first", [*frames(3), bad, *frames(9)])
    assert remote.run("first", frames(2)).findings
    remote.close()


def test_remote__cancelled__ends_and_the_engine_goes_on(served):
    _, socket = served
    taken = []

    def clip():
        for frame in frames(200):
            taken.append(frame.frame)
            yield frame

    with pytest.raises(JobCancelled):
        RemoteEngine(socket).run("first", clip(), cancelled=lambda: len(taken) >= 5)
    other = RemoteEngine(socket)
    assert other.run("first", frames(2)).findings
    other.close()


def _run_forever(socket: Path, begun: multiprocessing.synchronize.Event) -> None:
    def clip():
        for number, frame in enumerate(frames(50) * 1000):
            if number == 10:
                begun.set()
            yield frame

    RemoteEngine(socket).run("first", clip())


def test_remote__killed_in_the_middle__leaves_nothing_behind(served):
    _, socket = served
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    before = set(os.listdir("/dev/shm"))
    child = context.Process(target=_run_forever, args=(socket, begun))
    child.start()
    assert begun.wait(60)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    other = RemoteEngine(socket)
    assert other.run("second", frames(2)).findings
    other.close()
    assert set(os.listdir("/dev/shm")) == before


def test_socket__only_for_this_user_and_gone_after_close(tmp_path):
    socket = tmp_path / "engine.sock"
    with Engine(made(tmp_path, "first"), device="cpu") as engine:
        server = EngineServer(engine, socket)
        for path in (socket, socket.with_suffix(".key")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        socket.with_suffix(".key").write_bytes(b"another")
        with pytest.raises(EngineClosed):
            RemoteEngine(socket)
        server.close()
    assert not socket.exists()
    with pytest.raises(EngineClosed, match="is the node running"):
        RemoteEngine(socket)
