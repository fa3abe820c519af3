"""Starting programs on ports of their own, waiting until they answer, and ending them for certain."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

FIRST_PORT, LAST_PORT = 20000, 32000  # below the range that the kernel gives to outgoing connections
LOOK_S = 0.02
READY_S = 300.0  # seconds on a free machine; a busy one must not make a test fail
_draw = random.Random(os.getpid())


def free_port() -> int:
    """A port that nobody listens on, unlikely to be drawn by another test process."""
    while True:
        port = _draw.randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def program(name: str, package: str) -> str:
    """The path of an installed program; the test fails, saying what to install, where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: make setup, or apt-get install {package}")
    return found


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for a condition; the test fails with `what` when it does not come."""
    until = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > until:
            pytest.fail(f"after {timeout_s:g} s still not: {what}")
        time.sleep(LOOK_S)


def listens(port: int) -> bool:
    """Whether a connection to a local port is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[str], log: Path, ready: Callable[[], bool], *, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, from when it is ready to the end of the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, env={**os.environ, **(environment or {})}
        )
    try:

        def answers() -> bool:
            if process.poll() is not None:
                pytest.fail(f"{command[0]} ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
            return ready()

        wait_until(answers, READY_S, f"{command[0]} is ready; its log is {log}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
