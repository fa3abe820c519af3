"""The supervisor with roles that crash, refuse to start, hang, and outlive nobody."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from node.config import Settings, load_settings
from node.data_folder import DataFolderBusy, DataFolderUnusable, held
from node.supervise import CANNOT_START, STOPPED
from tests.peers.processes import wait_until

SUPERVISOR = """
import sys
from pathlib import Path
from node.config import load_settings
from node.supervise import Supervisor
from tests.node import test_supervise as roles
if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), {})
    sys.exit(Supervisor(settings, sys.argv[3:], getattr(roles, sys.argv[2])).run())
"""


def note_and_wait(role: str, settings: Settings, parent: int) -> None:
    """Writes down its process id, and waits to be stopped."""
    from node.supervise import die_with

    die_with(parent)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (settings.data_dir / role).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(0.05)


def refuse(role: str, settings: Settings, parent: int) -> None:
    """As a role whose port is taken."""
    if role == "refuses":
        os._exit(CANNOT_START)
    note_and_wait(role, settings, parent)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "echocare-node.yaml"
    path.write_text("node: {data_dir: var}\n")
    (tmp_path / "var").mkdir()
    return path


def launch(config: Path, target: str, *roles: str) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(config), target, *roles], cwd=root, stderr=subprocess.DEVNULL
    )


def pids(config: Path, role: str) -> list[int]:
    path = config.parent / "var" / role
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_role__killed__is_started_again(config: Path) -> None:
    node = launch(config, "note_and_wait", "one", "two")
    try:
        wait_until(lambda: len(pids(config, "one")) == 1 and len(pids(config, "two")) == 1, 120, "both run")
        os.kill(pids(config, "one")[0], signal.SIGKILL)
        wait_until(lambda: len(pids(config, "one")) == 2, 120, "it runs again")
        assert len(pids(config, "two")) == 1
        node.terminate()
        assert node.wait(60) == STOPPED
        assert all(gone(pid) for role in ("one", "two") for pid in pids(config, role))
    finally:
        node.kill()
        node.wait()


def test_supervisor__killed_with_9__takes_its_roles_along(config: Path) -> None:
    node = launch(config, "note_and_wait", "one", "two")
    wait_until(lambda: len(pids(config, "one")) == 1 and len(pids(config, "two")) == 1, 120, "both run")
    node.kill()
    node.wait()
    wait_until(lambda: all(gone(pid) for role in ("one", "two") for pid in pids(config, role)), 30, "all are gone")


def test_role__cannot_start__ends_the_node_with_two(config: Path) -> None:
    node = launch(config, "refuse", "waits", "refuses")
    try:
        assert node.wait(120) == CANNOT_START
        assert all(gone(pid) for pid in pids(config, "waits"))
    finally:
        node.kill()
        node.wait()


def test_data_folder__held_by_a_node__is_refused_to_another_and_to_single_roles(tmp_path: Path) -> None:
    with held(tmp_path / "var"):
        assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
        for alone in (True, False):
            with pytest.raises(DataFolderBusy), held(tmp_path / "var", alone=alone):
                pass
    with held(tmp_path / "var", alone=False), held(tmp_path / "var", alone=False):
        pass


def test_data_folder__is_a_file__says_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(DataFolderUnusable, match=r"node\.data_dir"), held(tmp_path / "var"):
        pass


def test_settings__sent_to_another_process__are_the_same_with_their_places(config: Path) -> None:
    settings = load_settings(config, {})
    sent = pickle.loads(pickle.dumps(settings))
    assert sent == settings
    assert sent.place(("node", "data_dir")) == settings.place(("node", "data_dir"))
