"""Telling the scheduler that instances came: at once for the first, then a few times a second at most."""

from __future__ import annotations

import threading
from collections.abc import Callable

PAUSE_S = 0.05


class Bell:
    """Gathers rings from many threads; a thread of its own passes them on.

    Parameters
    ----------
    ring
        What a ring does.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._rung = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Ask for a ring; returns at once."""
        self._rung.set()

    def close(self) -> None:
        """Pass on what was asked for, and end."""
        self._closing.set()
        self._rung.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._rung.wait()
            self._rung.clear()
            self._ring()
            self._closing.wait(PAUSE_S)
