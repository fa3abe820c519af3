"""Errors of the archive.

::

    NodeError
    └── ArchiveError
        ├── OutOfSpace        no room left, or less than `min_free_bytes`
        ├── NotWritable       the folder or the file cannot be written
        └── Unfileable        a received file that cannot be filed; it lies in quarantine
"""

from __future__ import annotations

import errno
from typing import ClassVar

from node.errors import NodeError


class ArchiveError(NodeError):
    """Root of the archive's errors."""

    code: ClassVar[str] = "archive"


class OutOfSpace(ArchiveError):
    """The disk is full, a quota is used up, or free space fell under the configured reserve."""

    code: ClassVar[str] = "archive.out_of_space"
    retryable: ClassVar[bool] = True


class NotWritable(ArchiveError):
    """The archive's folder cannot be written: missing rights, a read-only file system, a failing disk."""

    code: ClassVar[str] = "archive.not_writable"
    retryable: ClassVar[bool] = True


class Unfileable(ArchiveError):
    """A received file whose header does not say which study it belongs to; it was moved to quarantine."""

    code: ClassVar[str] = "archive.unfileable"


def from_os_error(error: OSError, doing: str) -> ArchiveError:
    """The typed error for what the operating system said.

    Parameters
    ----------
    error
        What was raised.
    doing
        What was being done, to stand behind "cannot": "write a received instance".
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"cannot {doing}: the disk is full or the quota is used up; free some space")
    reason = errno.errorcode.get(error.errno or 0, "unknown")
    return NotWritable(f"cannot {doing}: {reason}; check the archive folder's owner, rights and disk")
