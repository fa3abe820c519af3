"""The other processes' side of the socket: runs jobs as if the engine were here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import send_handle
from pathlib import Path

import numpy as np

from models.engine.options import Priority, never, unheard
from models.engine.shared.wire import (
    SLOTS,
    About,
    Ask,
    Done,
    End,
    Fault,
    Found,
    FrameIn,
    Frames,
    Free,
    FromServer,
    Memory,
    Run,
    key_path,
)
from models.errors import BadFrame, EngineClosed, JobCancelled
from models.findings import TaskFindings
from models.frames import FrameInput


class RemoteEngine:
    """An engine of another process; one client for each thread that runs jobs.

    Parameters
    ----------
    socket
        Where an `EngineServer` listens.

    Raises
    ------
    EngineClosed
        Nobody listens there, or not for this user.
    """

    def __init__(self, socket: Path) -> None:
        try:
            key = key_path(socket).read_bytes()
            self._connection: Connection = Client(str(socket), family="AF_UNIX", authkey=key)
        except (OSError, EOFError, AuthenticationError) as fault:
            raise EngineClosed(f"no engine answers at {socket}: is the node running, and as this user?") from fault

    def close(self) -> None:
        """Part; a job that runs is cancelled."""
        self._connection.close()

    def about(self) -> About:
        """The engine's tasks, and what it did so far.

        Raises
        ------
        EngineClosed
            It has gone.
        """
        self._send(Ask())
        told = self._heard()
        if not isinstance(told, About):
            raise EngineClosed(f"the engine answered out of turn: {type(told).__name__}")
        return told

    def run(
        self,
        task: str,
        frames: Iterable[FrameInput],
        *,
        priority: Priority = Priority.ROUTINE,
        cancelled: Callable[[], bool] = never,
        progress: Callable[[int], None] = unheard,
    ) -> TaskFindings:
        """As `models.engine.Engine.run`.

        Raises
        ------
        EngineError
            As there; `EngineClosed` where the engine has gone. After a cancelled job the client is closed.
        """
        job = _Job(self, progress)
        try:
            self._send(Run(task=task, priority=priority.name))
            for given in frames:
                if cancelled():
                    raise JobCancelled("the job was cancelled while its frames were looked at")
                if not job.put(given):
                    break
            self._send(End())
            return job.findings(cancelled)
        except JobCancelled:
            self.close()
            raise
        finally:
            job.close()

    def _send(self, words: object) -> None:
        try:
            self._connection.send(words)
        except OSError as fault:
            raise EngineClosed("the engine went away") from fault

    def _send_descriptor(self, descriptor: int) -> None:
        try:
            send_handle(self._connection, descriptor, None)
        except OSError as fault:
            raise EngineClosed("the engine went away") from fault

    def _heard(self) -> FromServer:
        try:
            heard: FromServer = self._connection.recv()
        except (OSError, EOFError) as fault:
            raise EngineClosed("the engine went away") from fault
        return heard

    def _said_something(self, within_s: float) -> bool:
        try:
            return self._connection.poll(within_s)
        except OSError as fault:
            raise EngineClosed("the engine went away") from fault


class _Job:
    """Slots of shared memory of one job, and what the server said of it so far."""

    def __init__(self, engine: RemoteEngine, progress: Callable[[int], None]) -> None:
        self._engine, self._progress = engine, progress
        self._memory: Frames | None = None
        self._free = set(range(SLOTS))
        self._end: Found | Fault | None = None

    def put(self, given: FrameInput) -> bool:
        """Hand over one view; False where the job has ended already."""
        pixels = np.ascontiguousarray(given.pixels)
        if pixels.dtype != np.uint8:
            raise BadFrame(f"frame {given.frame} is {pixels.dtype} {pixels.shape}, not 8-bit gray or RGB")
        while self._engine._said_something(0) or not self._free:
            self._hear()
        if self._end is not None:
            return False
        memory = self._memory_for(pixels.nbytes)
        slot = self._free.pop()
        memory.write(slot, pixels)
        self._engine._send(
            FrameIn(slot=slot, shape=pixels.shape, frame=given.frame, view=given.view, pixel_aspect=given.pixel_aspect)
        )
        return True

    def findings(self, cancelled: Callable[[], bool]) -> TaskFindings:
        """Wait for the end."""
        while self._end is None:
            if self._engine._said_something(0.2):
                self._hear()
            elif cancelled():
                raise JobCancelled("the job was cancelled while it waited for its turn")
        if isinstance(self._end, Fault):
            raise self._end.error()
        return self._end.findings

    def close(self) -> None:
        """Give the memory back."""
        if self._memory is not None:
            self._memory.close()

    def _hear(self) -> None:
        heard = self._engine._heard()
        match heard:
            case Free():
                self._free.add(heard.slot)
            case Done():
                self._progress(heard.views)
            case Found() | Fault():
                self._end = heard
                self._free |= set(range(SLOTS))
            case _:
                raise EngineClosed(f"the engine answered out of turn: {type(heard).__name__}")

    def _memory_for(self, size: int) -> Frames:
        if self._memory is not None and size <= self._memory.slot_bytes:
            return self._memory
        while len(self._free) < SLOTS:  # what lies in the old memory is still to be read
            self._hear()
        self.close()
        self._memory = Frames(size)
        self._engine._send(Memory(slot_bytes=size))
        self._engine._send_descriptor(self._memory.descriptor)
        return self._memory
