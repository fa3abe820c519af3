"""`echocare-node demo` as a new user meets it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.processes import free_port

COMMAND = [sys.executable, "-m", "node.cli", "demo"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COLUMNS": "120",
        "ECHOCARE_NODE__NODE__DATA_DIR": str(tmp_path / "var"),
        "ECHOCARE_NODE__NODE__MIN_FREE_BYTES": "0",
        "ECHOCARE_NODE__LISTENER__DICOM_PORT": str(free_port()),
        "ECHOCARE_NODE__HTTP__PORT": str(free_port()),
        "ECHOCARE_NODE__MODELS__THREADS": "1",
    }


def run(environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, env=environment, cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )


def test_demo__run_twice__shows_all_results_both_times_and_computes_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    first = run(environment, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    out = sorted(path.name for path in (tmp_path / "var" / "out").rglob("*.dcm"))
    second = run(environment, tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    for said in (first.stdout, second.stdout):
        assert "Head Circumference" in said
        assert "mm" in said
        assert "SEG" in said
    assert sorted(path.name for path in (tmp_path / "var" / "out").rglob("*.dcm")) == out
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_demo__port_taken__says_which_setting_to_change(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["ECHOCARE_NODE__LISTENER__DICOM_PORT"])))
        taken.listen()
        done = run(environment, tmp_path)
    assert done.returncode == 1
    assert "listener.dicom_port" in done.stderr
    assert "Traceback" not in done.stderr
