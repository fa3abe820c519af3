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
NAME_DASHES: Final = 3  # time, process, number, length
SPACE_CHECK_BYTES: Final = 16 * 2**20
FIRST_WRITE_BACK_BYTES: Final = 128 * 2**10
WRITE_BACK_BYTES: Final = 4 * 2**20

_number = itertools.count()


class Blank:
    """An empty file under `incoming`, opened and waiting for an instance.

    The file is locked while it is open, so that a clean-up tells it from one that a killed process left behind.

    Raises
    ------
    OutOfSpace, NotWritable
        The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # Names sort by time and hold nothing of the patient's.
        self.stem = f"{folder}/{time.time_ns():016x}-{os.getpid():x}-{next(_number):x}"
        try:
            self.descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os_error(error, "open a file for a received instance") from error
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.discard()
            raise from_os_error(error, "lock a file for a received instance") from error

    @property
    def part(self) -> str:
        """The file's path while it is being written."""
        return f"{self.stem}{PART}"

    def discard(self) -> None:
        """Remove the file, unless it was closed before."""
        if self.descriptor >= 0:
            with suppress(OSError):
                os.unlink(self.part)
            self.close()

    def close(self) -> None:
        """Give the descriptor back, and the lock with it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Receipt:
    """An instance that is being received.

    Parameters
    ----------
    blank
        The file for it, which is taken over.
    meta
        What to write before the data set.
    space
        Asked now and then whether to go on.
    folder_sync
        Makes the file's name last.
    """

    def __init__(self, blank: Blank, meta: FileMeta, space: FreeSpace, folder_sync: FolderSync) -> None:
        self._blank = blank
        self._space = space
        self._folder_sync = folder_sync
        self._written = 0
        self._next_check = SPACE_CHECK_BYTES
        self._written_back = 0
        try:
            space.require()
            self.write(meta.encode())
        except ArchiveError:
            self.abort()
            raise

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises
        ------
        OutOfSpace, NotWritable
            The bytes are not in the file; only `abort` is of use now.
        """
        try:
            count = os.write(self._blank.descriptor, piece)
            while count < len(piece):
                count += os.write(self._blank.descriptor, memoryview(piece)[count:])
        except OSError as error:
            raise from_os_error(error, "write a received instance") from error
        self._written += count
        # Small steps first, so that a still's bytes are on their way before its last one came.
        if self._written - self._written_back >= min(max(FIRST_WRITE_BACK_BYTES, self._written // 4), WRITE_BACK_BYTES):
            start_write_back(self._blank.descriptor, self._written_back, self._written - self._written_back)
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
        # The name comes first, so that one commit of the file system's journal holds file and name. Until both are on
        # the disk the file's lock keeps it from being filed, and its length, which is in the name, gives away a file
        # that a power cut left torn.
        whole = f"{self._blank.stem}-{self._written:x}{WHOLE}"
        try:
            os.rename(self._blank.part, whole)
            os.fdatasync(self._blank.descriptor)
            self._folder_sync.sync()
        except OSError as error:
            with suppress(OSError):  # first of all, while the lock still keeps it from being filed
                os.unlink(whole)
            self.abort()
            raise from_os_error(error, "make a received instance safe") from error
        self._blank.close()
        return Path(whole)

    def abort(self) -> None:
        """Forget what was received; harmless after `commit`."""
        self._blank.discard()


def is_being_received(path: Path) -> bool:
    """Whether a file of `incoming` is not safe yet: its receiver still holds the lock.

    Raises
    ------
    FileNotFoundError
        It is gone.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_torn(path: Path) -> bool:
    """Whether a file of `incoming` is of another length than its name says."""
    length = path.stem.rpartition("-")[2]
    return path.stem.count("-") == NAME_DASHES and path.stat().st_size != int(length, 16)


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
