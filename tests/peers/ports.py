"""Free ports, waiting for a listener, and finding installed programs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str, *, from_python: bool = False) -> str:
    """The path of an installed program.

    Parameters
    ----------
    name
        Its name.
    package
        The Debian or Python package that has it, for the error's words.
    from_python
        Whether a Python package brings it: pynetdicom installs a storescu too, which is not DCMTK's.

    Raises
    ------
    FileNotFoundError
        It is not installed.
    """
    folders = str(Path(sys.executable).parent) if from_python else "/usr/local/bin:/usr/bin:/bin:/usr/sbin"
    found = shutil.which(name, path=folders)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: install {package}")
    return found


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 60, step_s: float = 0.02) -> None:
    """Wait for a condition.

    Raises
    ------
    AssertionError
        It did not come true in time; the message says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        time.sleep(step_s)


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Wait until a process that was started listens on a port."""

    def listens() -> bool:
        assert process.poll() is None, f"the peer ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(listens, f"a listener on port {port}", timeout_s)
