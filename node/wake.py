"""Wake-ups between the node's processes: a datagram says "look now", and saying it costs nothing.

A wake-up is only a hint. Whoever waits looks for work after every wait, woken or not, so a lost ring costs at most
one poll interval.
"""

from __future__ import annotations

import errno
import hashlib
import os
import select
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LONGEST_PATH: Final = 100  # sun_path holds 108 bytes on Linux; the socket's own name and the final zero go in too
_SUFFIX: Final = ".sock"


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
        self._socket.bind(str(path))
        self._path = path

    def ring(self, role: str) -> None:
        """Wake everyone who waits under that role; never blocks and never fails."""
        for path in self._folder.glob(f"{role}.*{_SUFFIX}"):
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def engine_socket(data_dir: Path) -> Path:
    """Where a node's engine answers other processes of the same user."""
    return socket_folder(data_dir) / "engine.sock"


def socket_folder(data_dir: Path) -> Path:
    """The folder of a node's Unix sockets, only for its user; made if it is not there.

    Raises
    ------
    PermissionError
        It belongs to somebody else.
    """
    folder = data_dir.absolute() / "run"
    longest = len(os.fsencode(folder)) + len("/scheduler_01.4194304-abcdef.sock")
    if longest > LONGEST_PATH:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"echocare-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
        raise PermissionError(errno.EPERM, "the folder for wake-up sockets belongs to another user", str(folder))
    return folder
