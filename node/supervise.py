"""The node as processes: one for each role, started again when it ends, stopped together, never outliving this one."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final

from node import logs
from node.config import Settings
from node.data_folder import held
from node.logs import log_context, masked
from node.roles import OUTBOX, SCHEDULER, WORKER
from node.wake import Wake

LISTENER: Final = "listener"
API: Final = "api"
ROLES: Final = (LISTENER, SCHEDULER, WORKER, API)
PORT_FILE: Final = "dicom_port"  # in the run folder: the port that the listener was given

STOPPED, FAILED, CANNOT_START = 0, 1, 2  # exit codes of a role and of the node
DRAIN_S: Final = 30.0  # for what runs to end, before it is cut off
FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 30.0
SETTLED_S: Final = 60.0  # a role that ran that long starts its backoff anew
STARTING_S: Final = 20.0  # a role that reports a fault of its own this early keeps the whole node from starting
PR_SET_PDEATHSIG: Final = 1  # prctl(2)

_log = logging.getLogger(__name__)


def serve(settings: Settings, roles: Sequence[str] = ROLES) -> int:
    """Run the whole node until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        The node's settings.
    roles
        Which roles to run, each in a process of its own.

    Returns
    -------
    int
        0 after a stop that was asked for, 2 when a role could not start; the log says why.

    Raises
    ------
    ConfigError, DataFolderBusy, DataFolderUnusable, SchemaNewer
        It cannot start.
    """
    with held(settings.data_dir):
        prepare(settings)
        return Supervisor(settings, roles).run()


def serve_only(settings: Settings, role: str) -> int:
    """Run one role in this process until SIGTERM or SIGINT; other processes may run the others.

    Returns
    -------
    int
        0 after a stop that was asked for, 1 after an unexpected end, 2 when it could not start.

    Raises
    ------
    DataFolderBusy, DataFolderUnusable
        It cannot start.
    """
    with held(settings.data_dir, alone=False):
        return run_role(role, settings)


def prepare(settings: Settings) -> None:
    """Bring the database to this version, and check task packages and routes before anything starts.

    Raises
    ------
    ConfigError
        The routes cannot be used.
    SchemaNewer
        The database was written by a newer version.
    """
    from node.db import DatabaseUnavailable, connect, migrate
    from node.installed import installed, tell_packages, tell_refusals
    from node.looking import lookers_of, unmet
    from node.routing import compile_routes

    packages, refusals = installed(settings)
    tell_refusals(refusals)
    tell_packages(packages)
    routes = compile_routes(settings, [package.identity for package in packages])
    for words in unmet(routes, lookers_of(packages, routes)):
        _log.warning("A route asks what nobody looks at", extra=log_context(reason=words))
    database = connect(settings.database)
    try:
        migrate(database)
    except DatabaseUnavailable as error:
        # What is received meanwhile lies safe in the archive; the scheduler migrates when the database is back.
        _log.error("Starting without the database", extra=log_context(code=error.code, reason=str(error)))
    finally:
        database.dispose()


def run_role(role: str, settings: Settings) -> int:
    """Run one role in this process until SIGTERM or SIGINT; the exit code."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stop.set()
        with suppress(OSError), Wake(settings.data_dir) as wake:
            for waiting in (SCHEDULER, WORKER, OUTBOX):
                wake.ring(waiting)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    try:
        _role(role)(settings, stop)
    except Exception as error:  # noqa: BLE001 - the last place where a role's failure can be told
        code = getattr(error, "code", None)
        if isinstance(code, str):
            _log.error("Role cannot run", extra=log_context(role=role, code=code, reason=str(error)))
            return CANNOT_START
        _log.error("Role failed unexpectedly", exc_info=masked(error), extra=log_context(role=role))
        return FAILED
    return STOPPED


def _role(role: str) -> Callable[[Settings, threading.Event], None]:
    # Imported when wanted: each process loads only what its role needs.
    if role == LISTENER:
        return _listener
    if role == SCHEDULER:
        from node.scheduler import run_scheduler

        return run_scheduler
    if role == WORKER:
        from node.worker import run_worker

        return run_worker
    if role == API:
        from node.api import serve_api

        return serve_api
    raise ValueError(f"there is no role {role!r}; there are {', '.join(ROLES)}")


def _listener(settings: Settings, stop: threading.Event) -> None:
    from node.listener import serve_listener

    def ready(port: int) -> None:
        (settings.run_dir / PORT_FILE).write_text(f"{port}\n", encoding="ascii")

    serve_listener(settings, stop, ready)


def _role_process(role: str, settings: Settings, parent: int) -> None:
    die_with(parent)
    # Ctrl-C reaches every process of the terminal; the supervisor alone says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.setup(form=settings.logs.format, level=settings.logs.level)
    code = run_role(role, settings)
    logging.shutdown()
    # Not sys.exit: a network library's threads must not hold up the end.
    os._exit(code)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by kill -9 (Linux, prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(FAILED)


@dataclass(slots=True, kw_only=True)
class _Child:
    """A role, and how its process fares."""

    role: str
    process: BaseProcess | None = None
    started_at: float = 0.0  # monotonic, s
    starts: int = 0
    failures: int = 0  # in a row
    not_before: float = 0.0  # monotonic, s


class Supervisor:
    """Keeps one process running for each role.

    Parameters
    ----------
    settings
        Handed to every role.
    roles
        Which roles.
    target
        What a process runs: called with role, settings and this process's id.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str],
        target: Callable[[str, Settings, int], None] = _role_process,
    ) -> None:
        self._settings = settings
        self._children = [_Child(role=role) for role in roles]
        self._target = target
        # Not fork: this process may have threads, and a role is to load only what it needs.
        self._context = multiprocessing.get_context("spawn")
        self._asked = 0  # how often it was told to stop

    def run(self) -> int:
        """Supervise until told to stop, or until a role cannot start; the exit code."""
        code = STOPPED
        with _Signals(self._ask) as signals:
            while not self._asked:
                self._start_missing()
                self._wait(signals, self._next_start_s())
                if self._reap():
                    code = CANNOT_START
                    break
            self._stop(signals)
        return code

    def _ask(self) -> None:
        self._asked += 1

    def _start_missing(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and now >= child.not_before:
                child.process = self._context.Process(
                    target=self._target, args=(child.role, self._settings, os.getpid()), name=child.role
                )
                child.process.start()
                child.started_at = now
                child.starts += 1
                _log.info("Role started", extra=log_context(role=child.role, pid=child.process.pid))

    def _next_start_s(self) -> float | None:
        waiting = [child.not_before for child in self._children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _wait(self, signals: _Signals, timeout_s: float | None) -> None:
        running = [child.process.sentinel for child in self._children if child.process is not None]
        connection.wait([*running, signals.readable], timeout_s)
        signals.drain()

    def _reap(self) -> bool:
        """Take note of ended processes; True when the node must end because a role could not start at all."""
        for child in self._children:
            process = child.process
            if process is None or process.is_alive():
                continue
            process.join()
            child.process = None
            if self._asked:
                continue
            ran_s = time.monotonic() - child.started_at
            if process.exitcode == CANNOT_START and child.starts == 1 and ran_s < STARTING_S:
                return True
            child.failures = 1 if ran_s >= SETTLED_S else child.failures + 1
            wait_s = min(FIRST_BACKOFF_S * 2 ** (child.failures - 1), LONGEST_BACKOFF_S)
            child.not_before = time.monotonic() + wait_s
            about = log_context(role=child.role, exit_code=process.exitcode, retry_in_s=wait_s)
            _log.error("Role ended and is started again", extra=about)
        return False

    def _stop(self, signals: _Signals) -> None:
        """Let every role end what it is at; cut off what takes longer than DRAIN_S, or at a second signal."""
        self._asked = max(1, self._asked)
        _log.info("Stopping", extra=log_context(action="stop"))
        for child in self._children:
            if child.process is not None:
                child.process.terminate()
        until = time.monotonic() + DRAIN_S
        while any(child.process is not None for child in self._children):
            left_s = until - time.monotonic()
            if left_s <= 0 or self._asked > 1:
                break
            self._wait(signals, left_s)
            self._reap()
        for child in self._children:
            if child.process is not None:
                _log.warning("Role cut off while it was still busy", extra=log_context(role=child.role))
                child.process.kill()
                child.process.join()
        _log.info("Stopped", extra=log_context(action="stop"))


class _Signals:
    """SIGTERM and SIGINT as a readable socket and a call."""

    NUMBERS: Final = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self.readable, self._writable = socket.socketpair()
        self._before: Mapping[int, object] = {}

    def __enter__(self) -> _Signals:
        for end in (self.readable, self._writable):
            end.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: self._call()) for number in self.NUMBERS}
        return self

    def drain(self) -> None:
        """Forget the bytes of signals that came."""
        with suppress(BlockingIOError):
            while self.readable.recv(64):
                pass

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup)
        self.readable.close()
        self._writable.close()
