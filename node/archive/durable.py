"""Making renames last: a file's new name is safe only after its folder was synced.

References
----------
fsync(2): syncing a file does not sync the entry in the folder that holds it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make a folder and its parents so that they outlast a power cut."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


class FolderSync:
    """One folder that many threads make entries in; those who wait together share one sync."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._changed = threading.Condition()
        self._wanted = 0  # the number of the newest call
        self._done = 0  # calls up to this number are on the disk
        self._running = False

    def sync(self) -> None:
        """Return when every entry made before this call is on the disk.

        Raises
        ------
        OSError
            The disk failed; nothing is promised about the entries.
        """
        with self._changed:
            self._wanted += 1
            mine = self._wanted
            while self._running and self._done < mine:
                self._changed.wait()
            if self._done >= mine:
                return
            self._running = True
            covers = self._wanted
        synced = False
        try:
            os.fsync(self._descriptor)
            synced = True
        finally:
            with self._changed:
                self._running = False
                if synced:
                    self._done = covers
                self._changed.notify_all()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
