"""One listener process: accepts connections and gives each a thread."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from node.archive import Archive
from node.listener.association import Association, Surroundings
from node.listener.bell import Bell
from node.listener.errors import PortUnavailable
from node.listener.normalized import Desk
from node.listener.options import ListenerOptions
from node.listener.slots import Slots
from node.listener.tls import server_context
from node.listener.wire import set_no_delay
from node.logs import log_context

logger = logging.getLogger(__name__)

BACKLOG: Final = 256
MOST_REFUSALS: Final = 32  # connections beyond max_associations that are told why; any more are closed unheard
SLOTS_FILE: Final = "associations.lock"


class Lifeline(Protocol):
    """Something that becomes readable when the process is to stop: the end of a pipe."""

    def fileno(self) -> int: ...


def bind(options: ListenerOptions) -> socket.socket:
    """Take the port.

    Raises
    ------
    PortUnavailable
        It is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.bind, options.port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise PortUnavailable(
            f"cannot listen on {options.bind} port {options.port} ({error.strerror}): stop what uses it, or set "
            "listener.bind and listener.dicom_port"
        ) from error
    return listening


class Server:
    """Accepts on one socket until told to stop.

    Parameters
    ----------
    options
        How to behave.
    listening
        A listening, non-blocking socket; other processes may accept on it too.
    ring
        Called, a few times a second at most, when instances were stored.
    """

    def __init__(self, options: ListenerOptions, listening: socket.socket, ring: Callable[[], None]) -> None:
        self._options = options
        self._listening = listening
        self._listening.setblocking(False)
        options.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (options.data_dir / "run").mkdir(mode=0o700, exist_ok=True)
        self._stopping = threading.Event()
        self._around = Surroundings(
            options=options,
            archive=Archive(options.archive_dir, options.min_free_bytes),
            slots=Slots(options.data_dir / "run" / SLOTS_FILE, options.max_associations),
            bell=Bell(ring),
            desk=Desk(options.services),
            stopping=self._stopping,
            tls=None if options.tls is None else server_context(options.tls),
        )
        self._running: dict[Association, threading.Thread] = {}
        self._changed = threading.Condition()

    def serve(self, lifeline: Lifeline) -> None:
        """Accept until the lifeline becomes readable, then let associations finish within `drain_s`."""
        poll = select.poll()
        poll.register(self._listening, select.POLLIN)
        poll.register(lifeline.fileno(), select.POLLIN)
        while all(descriptor != lifeline.fileno() for descriptor, _ in poll.poll()):
            self._accept()
        self._drain()

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process was faster, or the peer left
            return
        except OSError as error:  # out of descriptors or memory: the connection waits in the backlog
            logger.warning("a connection could not be accepted", extra=log_context(reason=error.strerror))
            time.sleep(0.05)
            return
        with self._changed:
            crowded = len(self._running) >= self._options.max_associations + MOST_REFUSALS
        if crowded:
            connection.close()
            return
        connection.setblocking(True)
        set_no_delay(connection)
        association = Association(connection, str(address[0]), self._around)
        thread = threading.Thread(target=self._live, args=(association,), name="association", daemon=True)
        with self._changed:
            self._running[association] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            connection.close()
            self._forget(association)

    def _live(self, association: Association) -> None:
        try:
            association.serve()
        finally:
            self._forget(association)

    def _forget(self, association: Association) -> None:
        with self._changed:
            self._running.pop(association, None)
            self._changed.notify_all()

    def _drain(self) -> None:
        self._stopping.set()
        self._listening.close()
        self._await_none(self._options.drain_s)
        with self._changed:
            late = list(self._running)
        for association in late:
            association.cut_off()
        self._await_none(self._options.artim_timeout_s + 1)
        self._around.bell.close()
        self._around.desk.close()

    def _await_none(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=timeout_s)
