"""Telling the scheduler that instances came: when the stream pauses, and now and then while it goes on.

Filing and indexing compete with intake for processor and disk, so they come in gulps rather than after each instance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

QUIET_S: Final = 0.05
MOST_WAIT_S: Final = 1.0


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
            limit = time.monotonic() + MOST_WAIT_S
            while not self._closing.is_set() and time.monotonic() < limit:
                self._rung.clear()
                if not self._rung.wait(QUIET_S):
                    break
            self._rung.clear()
            self._ring()
