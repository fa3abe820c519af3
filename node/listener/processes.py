"""The listener as a role: one port, one or more processes that accept on it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Final, Protocol

from node import logs
from node.archive import Archive
from node.listener.options import ListenerOptions
from node.listener.server import Server, bind
from node.listener.tls import server_context
from node.logs import log_context
from node.wake import Wake

if TYPE_CHECKING:
    from node.config import Settings

logger = logging.getLogger(__name__)

RINGS: Final = "scheduler"
LOOK_S: Final = 0.2
RESTART_PAUSE_S: Final = 0.5


class Stop(Protocol):
    """An event of threads or of processes."""

    def wait(self, timeout: float | None = None) -> bool: ...


def serve_listener(settings: Settings, stop: Stop, ready: Callable[[int], None] | None = None) -> None:
    """Receive instances until `stop` is set, then let associations finish.

    Parameters
    ----------
    settings
        The node's settings.
    stop
        Set from outside when the listener is to end.
    ready
        Called with the port once callers are heard.

    Raises
    ------
    PortUnavailable, TlsUnusable
        It cannot start.
    OutOfSpace, NotWritable
        The archive's folders cannot be made.
    """
    serve(ListenerOptions.from_settings(settings), stop, ready, _LogSetup.of(settings))


class _LogSetup:
    """How a process of its own is to log."""

    def __init__(self, form: str, level: str) -> None:
        self.form = form
        self.level = level

    @classmethod
    def of(cls, settings: Settings) -> _LogSetup:
        return cls(settings.logs.format, settings.logs.level)

    def apply(self) -> None:
        logs.setup(form="json" if self.form == "json" else "plain", level=self.level)


def serve(
    options: ListenerOptions,
    stop: Stop,
    ready: Callable[[int], None] | None = None,
    log_setup: _LogSetup | None = None,
) -> None:
    """As `serve_listener`, from options."""
    if options.tls is not None:
        server_context(options.tls)  # a fault in it should stop the start, not each process
    archive = Archive(options.archive_dir)
    removed = archive.remove_stale_parts()
    archive.close()
    with bind(options) as listening:
        port = listening.getsockname()[1]
        logger.info(
            "listening for DICOM", extra=log_context(action="listen", count=options.processes, reason=f"port {port}")
        )
        if removed:
            logger.info("removed what was half received before", extra=log_context(action="clean", count=removed))
        run = _run_here if options.processes == 1 else _run_processes
        run(options, listening, stop, lambda: ready(port) if ready is not None else None, log_setup)


def _run_here(
    options: ListenerOptions,
    listening: socket.socket,
    stop: Stop,
    ready: Callable[[], None],
    log_setup: _LogSetup | None,
) -> None:
    ends, starts = multiprocessing.Pipe(duplex=False)
    with Wake(options.data_dir) as wake:
        server = Server(options, listening, lambda: wake.ring(RINGS))

        def watch() -> None:
            stop.wait()
            starts.close()

        threading.Thread(target=watch, name="stop", daemon=True).start()
        ready()
        server.serve(ends)
    ends.close()


def _run_processes(
    options: ListenerOptions,
    listening: socket.socket,
    stop: Stop,
    ready: Callable[[], None],
    log_setup: _LogSetup | None,
) -> None:
    family = _Family(options, listening, log_setup)
    family.start_missing()
    ready()  # connections queue from now on, even while the processes are starting
    while not stop.wait(LOOK_S):
        family.start_missing()
    listening.close()
    family.end()


class _Family:
    """The accepting processes; one that dies is replaced."""

    def __init__(self, options: ListenerOptions, listening: socket.socket, log_setup: _LogSetup | None) -> None:
        self._options = options
        self._listening = listening
        self._log_setup = log_setup
        # Not fork: the process that runs this role may have threads.
        self._context = multiprocessing.get_context("spawn")
        self._children: list[tuple[BaseProcess, Connection]] = []
        self._not_before = 0.0

    def start_missing(self) -> None:
        for child in [child for child in self._children if not child[0].is_alive()]:
            self._children.remove(child)
            child[1].close()
            self._not_before = time.monotonic() + RESTART_PAUSE_S
            logger.error(
                "a listener process ended and is replaced",
                extra=log_context(action="restart", exit_code=child[0].exitcode),
            )
        while len(self._children) < self._options.processes and time.monotonic() >= self._not_before:
            self._children.append(self._start())

    def _start(self) -> tuple[BaseProcess, Connection]:
        ends, starts = self._context.Pipe(duplex=False)
        child = self._context.Process(
            target=_child, args=(self._options, self._listening, ends, self._log_setup), name="listener", daemon=True
        )
        child.start()
        ends.close()
        return child, starts

    def end(self) -> None:
        for _, lifeline in self._children:
            lifeline.close()
        limit = time.monotonic() + self._options.drain_s + self._options.artim_timeout_s + 5
        for child, _ in self._children:
            child.join(max(0.1, limit - time.monotonic()))
            if child.is_alive():
                child.kill()
                child.join()


def _child(
    options: ListenerOptions, listening: socket.socket, lifeline: Connection, log_setup: _LogSetup | None
) -> None:
    # The parent decides when to stop, by letting go of the lifeline, also when it is killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):
            signal.signal(number, signal.SIG_IGN)
    if log_setup is not None:
        log_setup.apply()
    with Wake(options.data_dir) as wake:
        Server(options, listening, lambda: wake.ring(RINGS)).serve(lifeline)
