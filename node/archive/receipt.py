"""One instance on its way in: bytes are appended, and `commit` makes them safe.

References
----------
DICOM PS3.4 B.2.3 (what Success promises), design.md rule 1 (acknowledged means durable).
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from node.archive.durable import FolderSync
from node.archive.errors import ArchiveError, from_os_error
from node.archive.filemeta import FileMeta
from node.archive.space import FreeSpace

PART: Final = ".part"
WHOLE: Final = ".dcm"
SPACE_CHECK_BYTES: Final = 16 * 2**20
WRITE_BACK_BYTES: Final = 4 * 2**20

_number = itertools.count()


class Receipt:
    """A file under `incoming` that is being received.

    The file is locked while it is open, so that a clean-up tells it from one that a killed process left behind.
    """

    def __init__(self, folder: Path, meta: FileMeta, space: FreeSpace, folder_sync: FolderSync) -> None:
        space.require()
        self._space = space
        self._folder_sync = folder_sync
        # Names sort by the time of arrival and hold nothing of the patient's.
        self._stem = folder / f"{time.time_ns():016x}-{os.getpid():x}-{next(_number):x}"
        self._part = self._stem.with_suffix(PART)
        self._written = 0
        self._next_check = SPACE_CHECK_BYTES
        self._written_back = 0
        self._descriptor = self._open()
        try:
            self.write(meta.encode())
        except ArchiveError:
            self.abort()
            raise

    def _open(self) -> int:
        try:
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os_error(error, "open a file for a received instance") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise from_os_error(error, "lock a file for a received instance") from error
        return descriptor

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises
        ------
        OutOfSpace, NotWritable
            The bytes are not in the file; only `abort` is of use now.
        """
        try:
            count = os.write(self._descriptor, piece)
            while count < len(piece):
                count += os.write(self._descriptor, memoryview(piece)[count:])
        except OSError as error:
            raise from_os_error(error, "write a received instance") from error
        self._written += count
        if self._written - self._written_back >= WRITE_BACK_BYTES:
            start_write_back(self._descriptor, self._written_back, self._written - self._written_back)
            self._written_back = self._written
        if self._written >= self._next_check:
            self._next_check = self._written + SPACE_CHECK_BYTES
            self._space.require()

    def commit(self) -> Path:
        """Make the instance safe; on return it survives a power cut.

        Returns
        -------
        Path
            The file under `incoming`. It may be filed away by another process at any moment from now on.

        Raises
        ------
        OutOfSpace, NotWritable
            The instance is not safe and must not be acknowledged.
        """
        whole = self._stem.with_suffix(WHOLE)
        try:
            os.fdatasync(self._descriptor)
            os.rename(self._part, whole)
            self._folder_sync.sync()
        except OSError as error:
            self.abort()
            with suppress(OSError):
                whole.unlink()
            raise from_os_error(error, "make a received instance safe") from error
        self._close()
        return whole

    def abort(self) -> None:
        """Forget what was received; harmless after `commit`."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._part.unlink()
            self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def remove_stale_parts(folder: Path) -> int:
    """Remove the unfinished files of processes that are gone; those being written stay.

    Returns
    -------
    int
        How many were removed.
    """
    removed = 0
    for part in folder.glob(f"*{PART}"):
        with suppress(OSError):  # removed or finished by its owner meanwhile
            descriptor = os.open(part, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
                removed += 1
            finally:
                os.close(descriptor)
    return removed


def _load_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    return function


_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range = _load_sync_file_range()


def start_write_back(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing a range to the disk: the sync at the end then finds little left to do.

    Only a hint: where the C library lacks `sync_file_range`, nothing happens.
    """
    if _sync_file_range is not None:
        _sync_file_range(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)
