"""Free space of the archive's file system, looked at no more often than it can change by much."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from node.archive.errors import OutOfSpace, from_os_error

MOST_AGE_S = 0.25


def free_bytes(folder: Path) -> int:
    """Bytes that a process without privileges may still write.

    Raises
    ------
    OSError
        The folder is not there.
    """
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


class FreeSpace:
    """Says whether there is room; the answer may be `MOST_AGE_S` old.

    Parameters
    ----------
    folder
        A folder on the file system in question.
    reserve
        Bytes that must stay free: intake stops before the disk is full, so that the database and the results of
        what was already accepted still fit.
    measure
        Gives the free bytes of a folder.
    """

    def __init__(self, folder: Path, reserve: int, measure: Callable[[Path], int] = free_bytes) -> None:
        self._folder = folder
        self._reserve = reserve
        self._measure = measure
        self._lock = threading.Lock()
        self._free = 0
        self._measured_at = -MOST_AGE_S

    def require(self) -> None:
        """Pass when there is room.

        Raises
        ------
        OutOfSpace
            Less than the reserve is free.
        NotWritable
            The folder cannot be looked at.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._measured_at >= MOST_AGE_S:
                try:
                    self._free = self._measure(self._folder)
                except OSError as error:
                    raise from_os_error(error, "look at the archive's free space") from error
                self._measured_at = now
            free = self._free
        if free < self._reserve:
            raise OutOfSpace(
                f"{free // 10**6} MB free, {self._reserve // 10**6} MB must stay free (node.min_free_bytes)"
            )
