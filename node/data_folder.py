"""The data folder: only for the node's own user, and for one node at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from node.errors import NodeError

LOCK: Final = "node.lock"


class DataFolderBusy(NodeError):
    """Another node works on the data folder."""

    code: ClassVar[str] = "data_folder.busy"


class DataFolderUnusable(NodeError):
    """The data folder cannot be made or written."""

    code: ClassVar[str] = "data_folder.unusable"


@contextmanager
def held(folder: Path, *, alone: bool = True) -> Iterator[None]:
    """Make the data folder if it is missing, and hold it while the block runs.

    The kernel lets go of the lock when the process ends, in whatever way it ends.

    Parameters
    ----------
    folder
        `Settings.data_dir`; it and what lies in it are readable by this user alone.
    alone
        Whether this is a whole node, which shares the folder with nobody. Processes that run a single role share it
        with each other.

    Raises
    ------
    DataFolderBusy
        A node runs on it already.
    DataFolderUnusable
        It cannot be made or written.
    """
    try:
        (folder / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o700)
        file = (folder / "run" / LOCK).open("a+")
    except OSError as error:
        raise DataFolderUnusable(
            f"the data folder {folder} cannot be used ({error.strerror}); change its owner, or set node.data_dir"
        ) from error
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise DataFolderBusy(
                f"another node runs on the data folder {folder}; stop it, or set node.data_dir to a folder of its own"
            ) from error
        yield
