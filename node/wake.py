"""Wake-ups between the node's processes: a datagram says "look now", and saying it costs nothing.

A wake-up is only a hint. Whoever waits looks for work after every wait, woken or not, so a lost ring costs at most
one poll interval.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import select
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LONGEST_PATH: Final = 100  # sun_path holds 108 bytes on Linux; the socket's own name and the final zero go in too
STALE_S: Final = 60.0  # how long a folder in the temporary folder is left to whoever has just made it
_SUFFIX: Final = ".sock"
_ENGINE: Final = f"engine{_SUFFIX}"
_ENGINE_KEY: Final = "engine.key"
_ATTEMPTS: Final = 100  # to bind in a folder that others, who stop, may remove; each is short


class Wake:
    """One end: a name to be rung under, and a bell for the others.

    Several waiters may take the same role: each has a socket of its own and one ring reaches them all. Ringing is
    allowed from any thread; waiting belongs to one.

    Parameters
    ----------
    data_dir
        The node's data folder; the sockets lie in `run` below it, or in a private folder under the temporary folder
        when that path is too long for a socket.
    role
        The name that others ring: letters, digits and '_'. None only rings.
    """

    def __init__(self, data_dir: Path, role: str | None = None) -> None:
        self._folder = socket_folder(data_dir)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path: Path | None = None
        if role is not None:
            self._bind(role)

    def _bind(self, role: str) -> None:
        # The random part keeps two waiters of one process, and of two containers with equal pids, apart.
        path = self._folder / f"{role}.{os.getpid()}-{os.urandom(3).hex()}{_SUFFIX}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _make_own(self._folder)
                self._socket.bind(str(path))
            except (FileNotFoundError, FileExistsError):  # the last of those who stop has just removed the folder
                if attempt == _ATTEMPTS:
                    raise
            else:
                break
        self._path = path
        _remove_left_over(self._folder)

    def ring(self, role: str) -> None:
        """Wake everyone who waits under that role; never blocks and never fails."""
        try:
            waiting = list(self._folder.glob(f"{role}.*{_SUFFIX}"))
        except OSError:  # nobody waits there any more
            return
        for path in waiting:
            try:
                self._socket.sendto(b"!", str(path))
            except OSError as error:
                # A full buffer already holds a ring. Nobody reads a refused one: its process was killed.
                if error.errno == errno.ECONNREFUSED:
                    with suppress(OSError):
                        path.unlink()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring; rings that came since the last wait count, and several count as one.

        Returns
        -------
        bool
            True when rung, False when the time was over.
        """
        readable, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
        rung = False
        while readable:
            try:
                self._socket.recv(16)
                rung = True
            except OSError:
                break
        return rung

    def fileno(self) -> int:
        """The socket's descriptor, for a selector of one's own."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop being rung."""
        self._socket.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
            leave_socket_folder(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def engine_socket(data_dir: Path) -> Path:
    """Where a node's engine answers other processes of the same user."""
    return socket_folder(data_dir) / _ENGINE


def socket_folder(data_dir: Path) -> Path:
    """Where a node's Unix sockets lie: below its data folder, or, where that path is too long for a socket, in a
    folder of its user under the temporary folder.
    """
    folder = data_dir.absolute() / "run"
    longest = len(os.fsencode(folder)) + len("/scheduler_01.4194304-abcdef.sock")
    if longest <= LONGEST_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"echocare-{os.getuid()}-{digest}"


def make_socket_folder(folder: Path) -> None:
    """Make a folder of sockets, only for its user, if it is not there.

    In the temporary folder, those that killed processes left behind are removed.

    Raises
    ------
    PermissionError
        It belongs to somebody else, or others may enter it.
    """
    _make_own(folder)
    _remove_left_over(folder)


def _make_own(folder: Path) -> None:
    """The first half of `make_socket_folder`, short, because who stops may remove the folder before it is used."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_temporary(folder):
        if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
            raise PermissionError(errno.EPERM, "the folder for wake-up sockets belongs to another user", str(folder))
        return
    # Everybody may make folders and links beside it.
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "the folder for wake-up sockets is not this user's alone", str(folder))


def _remove_left_over(folder: Path) -> None:
    """Remove what killed processes left beside a folder in the temporary folder."""
    if not _is_temporary(folder):
        return
    for other in folder.parent.glob(f"echocare-{os.getuid()}-*"):
        if other != folder and _is_temporary(other):
            with suppress(OSError):
                _remove_stale(other)


def leave_socket_folder(folder: Path) -> None:
    """Remove a folder of sockets in the temporary folder when it holds none any more."""
    if _is_temporary(folder):
        with suppress(OSError):
            folder.rmdir()


def _is_temporary(folder: Path) -> bool:
    name = rf"echocare-{os.getuid()}-[0-9a-f]{{16}}"
    return folder.parent == Path(tempfile.gettempdir()) and re.fullmatch(name, folder.name) is not None


def _remove_stale(folder: Path) -> None:
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or time.time() - state.st_mtime < STALE_S:
        return
    sockets = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.name == _ENGINE)  # which has to answer, last
    for path in sockets:
        if not _is_dead(path):
            return
        path.unlink(missing_ok=True)
    (folder / _ENGINE_KEY).unlink(missing_ok=True)
    folder.rmdir()


def _is_dead(path: Path) -> bool:
    """Whether nobody has a socket open any more."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as caller:
            caller.setblocking(False)
            try:
                caller.connect(str(path))
            except OSError as error:
                if error.errno == errno.EPROTOTYPE:  # of the other kind
                    continue
                return error.errno == errno.ECONNREFUSED
            return False
    return False
