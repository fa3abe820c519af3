"""`live` as a user runs it: in a process of its own, with real frames, from its first line to its summary."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import Result

from integration.phantom import Identity, Scene, fetal_head, write_still
from models.engine import PackageFault
from node.cli.live_display import RESEARCH, Screen, summary_words
from node.live import LiveResult, Summary
from tests.data import REPOSITORY
from tests.node.live.fakes import IDENTITY, MALIGNANT, NodesEngine, answered, length, nothing, sharing
from tests.peers.processes import free_port

Invoke = Callable[..., Result]
SOON_S = 240.0
AGAIN_S = 0.1
SUMMARY = Summary(seen=9, answered=4, stale=1, dropped=3, bad=1, failed=0, median_ms=41.0, p95_ms=77.4)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return fetal_head(7, 300, 400)


def jpeg(scene: Scene) -> bytes:
    out = BytesIO()
    Image.fromarray(scene.pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own; killed at the end if it still runs."""
    command = [sys.executable, "-m", "node.cli", "live", *(str(word) for word in words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def fed(feed: Callable[[], None]) -> Iterator[None]:
    """Do it again and again while the block runs, as an acquisition does."""
    stop = threading.Event()

    def keep_feeding() -> None:
        while not stop.wait(AGAIN_S):
            feed()

    thread = threading.Thread(target=keep_feeding)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def quantity(line: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in line["findings"] if each["name"] == name]
    return found


def test_live__folder_that_fills_with_dicom__measures_in_mm_and_ends_after_the_frames(
    config: Path, scene: Scene, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    count = iter(range(10**6))

    def feed() -> None:
        number = next(count)
        write_still(scene, folder / f".{number}", Identity(study="live", instance_number=number))
        (folder / f".{number}").rename(folder / f"{number}.dcm")

    words = ("fetal-head", f"folder:{folder}", "--frames", 2, "--budget-ms", 60000, "--json", "-c", config)
    with running(*words) as process, fed(feed):
        out, err = process.communicate(timeout=SOON_S)
    first, second, summary = lines(out)
    assert process.returncode == 0, err
    assert (first["schema"], first["event"], first["task"]) == (1, "result", "fetal-head")
    assert first["package_digest"].startswith("sha256:")
    assert first["research_use_only"] is True
    assert first["frame"] < second["frame"]
    assert {finding["frame"] for finding in second["findings"]} == {second["frame"]}
    assert 0 < first["latency_ms"] < first["budget_ms"] == 60000
    assert not first["stale"]
    assert datetime.fromisoformat(first["time"]) <= datetime.now(UTC)
    circumference = quantity(second, "head circumference")
    assert circumference["unit"] == "mm"
    assert circumference["value"] == pytest.approx(scene.truth.hc_mm, rel=0.06)
    assert any(finding["kind"] == "mask" for finding in second["findings"])
    assert summary["event"] == "summary"
    assert summary["answered"] == 2
    assert summary["seen"] == sum(summary[name] for name in ("answered", "stale", "dropped", "bad", "failed"))


@pytest.fixture
def node(config: Path) -> Iterator[NodesEngine]:
    """The engine of a node that runs with the same configuration."""
    engine = NodesEngine()
    with sharing(engine, config.parent / "var"):
        yield engine


def test_live__stream_over_tcp_and_ctrl_c__ends_with_zero_and_a_summary(
    config: Path, scene: Scene, node: NodesEngine
) -> None:
    port = free_port()
    words = ("fetal-head", f"tcp://:{port}", "--pixel-spacing", 0.5, 0.5, "--json", "-c", config, "--budget-ms", 60000)
    with running(*words) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        begun = process.stderr.readline()
        assert f"tcp://127.0.0.1:{port} (listening), engine: the running node's" in begun
        with socket.create_connection(("127.0.0.1", port), timeout=SOON_S) as sender:
            with fed(lambda: sender.sendall(b"garbage" + jpeg(scene))):
                first = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    assert err == ""
    assert quantity(first, "length")["unit"] == "mm"
    assert lines(out)[-1]["event"] == "summary"


def test_live__no_frame_within_the_seconds__fails_and_says_so(config: Path, tmp_path: Path, node: NodesEngine) -> None:
    with running("fetal-head", f"folder:{tmp_path}", "--seconds", 0.3, "-c", config) as process:
        out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 1
    assert "no frame was answered" in err
    assert RESEARCH in out
    assert "0 frames seen" in out


@pytest.mark.parametrize(("budget_ms", "current"), [(60_000, True), (1, False)])
def test_live__lines_for_people__have_values_only_of_answers_in_time(
    config: Path, scene: Scene, node: NodesEngine, budget_ms: int, current: bool
) -> None:
    port = free_port()
    with running("fetal-head", f"tcp://:{port}", "--budget-ms", budget_ms, "--frames", 1, "-c", config) as process:
        assert process.stderr is not None
        process.stderr.readline()
        with socket.create_connection(("127.0.0.1", port), timeout=SOON_S) as sender:
            sender.sendall(jpeg(scene))
            out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    assert ("length 100 px" in out) == current
    assert (f"too late to be shown (budget {budget_ms} ms)" in out) == (not current)
    assert ("1 answered, 0 stale" if current else "0 answered, 1 stale") in out


def test_live__package_fails_again_and_again__ends_with_its_words(
    config: Path, scene: Scene, node: NodesEngine
) -> None:
    node.answer = lambda number: PackageFault("the package of 'fetal-head' failed: no number")
    with running("fetal-head", "tcp://:0", "-c", config) as process:
        _, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 1
    assert err.strip() == "echocare-node: the package of 'fetal-head' failed: no number"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("no-such-task", "folder:."), 2, "no task package is called"),
        (("fetal-head", "rtsp://scanner"), 2, "folder:PATH"),
        (("fetal-head", "folder:nowhere"), 1, "cannot be looked into"),
        (("fetal-head", "device:97"), 1, "plugged in"),
        (("fetal-head", "tcp://192.0.2.1:5600"), 1, "an address of this machine"),
        (("fetal-head", "folder:.", "--pixel-spacing", "0", "1"), 2, "above zero"),
        (("fetal-head", "folder:.", "--view", "9", "0", "9", "9"), 2, "LEFT TOP RIGHT BOTTOM"),
    ],
)
def test_live__wrong_words__end_with_their_code_and_how_to_mend_it(
    invoke: Invoke, config: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = invoke("live", *words, "-c", config)
    assert answer.exit_code == code
    assert told in answer.stderr


# The table in a terminal ---------------------------------------------------------------------------------------------


def result(**changed: Any) -> LiveResult:
    given: dict[str, Any] = {
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "frame": 12,
        "latency_ms": 41.2,
        "budget_ms": 200.0,
        "stale": False,
        "dropped": 3,
        "identity": IDENTITY,
        "findings": (length(101.26), answered(MALIGNANT)),
        "guidance": ("turn the gain down",),
    }
    return LiveResult(**{**given, **changed})


def drawn(*steps: Callable[[Screen], None]) -> str:
    """What stands in the terminal after some steps."""
    console = Console(file=StringIO(), force_terminal=True, width=100)
    screen = Screen(console, research_use=True)
    screen.begin("fetal-head on folder x, engine: its own")
    for step in steps:
        step(screen)
    with console.capture() as captured:
        console.print(screen.picture)
    return captured.get()


def test_screen__answer__shows_values_guidance_and_research_use() -> None:
    text = drawn(lambda screen: screen.show(result()))
    for words in ("101.3 px", "Malignant", "turn the gain down", "frame 12, 41 ms", "3 dropped", RESEARCH):
        assert words in text


def test_screen__stale_answer__shows_that_it_is_late_and_no_value() -> None:
    text = drawn(lambda screen: screen.show(result()), lambda screen: screen.show(result(stale=True, latency_ms=310)))
    assert "310 ms: too late to be shown" in text
    assert "101.3" not in text
    assert "Malignant" not in text


def test_screen__no_frames_any_more__takes_old_values_away() -> None:
    text = drawn(lambda screen: screen.show(result()), lambda screen: screen.wait(3.2))
    assert "no answer for 3 s" in text
    assert "101.3" not in text


def test_screen__no_frame_for_a_moment__keeps_the_values() -> None:
    assert "101.3" in drawn(lambda screen: screen.show(result()), lambda screen: screen.wait(0.2))


def test_screen__task_is_silent__says_why() -> None:
    text = drawn(lambda screen: screen.show(result(findings=(nothing("not a fetal head"),), guidance=())))
    assert "not a fetal head" in text


def test_screen__in_a_terminal__leaves_the_summary_behind() -> None:
    out = StringIO()
    screen = Screen(Console(file=out, force_terminal=True, width=140, highlight=False), research_use=True)
    with screen:
        screen.begin("x")
        screen.show(result())
    screen.end(SUMMARY)
    assert summary_words(SUMMARY) in out.getvalue()


def test_summary__in_words__tells_every_count_and_the_latencies() -> None:
    words = "9 frames seen: 4 answered, 1 stale, 3 dropped, 1 bad, 0 failed; latency 41 ms in the middle, 77 ms"
    assert summary_words(SUMMARY).startswith(words)
