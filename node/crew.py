"""Threads of one role that work until the role ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.roles import Stop
from node.wake import Wake

JOIN_S: Final = 15.0


class Crew:
    """Threads that are started one by one and stopped together.

    Parameters
    ----------
    data_dir
        Where roles wake each other.
    role
        The name under which the threads wait to be woken.
    """

    def __init__(self, data_dir: Path, role: str) -> None:
        self._data_dir, self._role = data_dir, role
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, work: Callable[[Stop], None], name: str) -> None:
        """Start a thread that works until it is told to stop."""
        thread = threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """Let what is on its way end, within a limit; what is cut off is taken up at the next start."""
        self._stop.set()
        with Wake(self._data_dir) as wake:
            wake.ring(self._role)
        for thread in self._threads:
            thread.join(JOIN_S)
