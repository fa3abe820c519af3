"""How many associations there may be, over all processes of the listener.

Each association holds a lock on one byte of a file. The system releases the locks of a process that dies, so no count
can go stale, however the process ended.

References
----------
fcntl(2), record locks. They belong to the process, hence the set of those held by its threads; and closing any
descriptor of the file would drop them all, hence one descriptor for the life of the process.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Slots:
    """Room for a number of associations.

    Parameters
    ----------
    file
        The file that all processes lock; it is made when missing.
    most
        How many there may be at one time.
    """

    def __init__(self, file: Path, most: int) -> None:
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._most = most
        self._held: set[int] = set()
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Hold one slot for the length of a with block; False when all are taken."""
        slot = self._take()
        try:
            yield slot is not None
        finally:
            if slot is not None:
                self._give_back(slot)

    def _take(self) -> int | None:
        with self._lock:
            for slot in range(self._most):
                if slot in self._held:
                    continue
                try:
                    fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                except OSError:  # another process has it
                    continue
                self._held.add(slot)
                return slot
        return None

    def _give_back(self, slot: int) -> None:
        with self._lock:
            self._held.discard(slot)
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, slot)

    def close(self) -> None:
        """Give back the descriptor, and with it every slot of this process."""
        os.close(self._descriptor)
