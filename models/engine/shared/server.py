"""The engine's side of the socket: a thread for each client, each client one job at a time."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from multiprocessing.reduction import recv_handle
from pathlib import Path

from models.engine.engine import Engine
from models.engine.options import Priority
from models.engine.shared.wire import (
    About,
    Ask,
    Done,
    End,
    Fault,
    Found,
    FrameIn,
    Frames,
    Free,
    FromClient,
    FromServer,
    Memory,
    Run,
    key_path,
    new_key,
)
from models.errors import EngineError, JobCancelled
from models.frames import FrameInput
from models.packages.errors import PackageError

BACKLOG = 16


class EngineServer:
    """Lets other processes of the same user run jobs on an engine.

    Parameters
    ----------
    engine
        Not closed by the server.
    path
        Of the Unix socket; its key is written beside it.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine, self._path = engine, path
        path.unlink(missing_ok=True)
        self._listener = Listener(str(path), family="AF_UNIX", backlog=BACKLOG, authkey=new_key(path))
        path.chmod(0o600)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="engine-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more clients; those that are served are cut off."""
        self._closed.set()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(self._path))  # wakes the thread that waits for callers
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        key_path(self._path).unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):  # closed, or a caller without the key
                continue
            threading.Thread(target=self._serve, args=(connection,), name="engine-client", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection, contextlib.ExitStack() as stack:
            client = _Client(connection, stack)
            while (said := client.next()) is not None:
                match said:
                    case Ask():
                        client.say(About(identities=self._engine.identities, metrics=self._engine.metrics()))
                    case Run():
                        client.say(self._run(said, client))
                        client.pass_over_frames()
                    case _:
                        return  # out of turn: nothing sensible can follow

    def _run(self, run: Run, client: _Client) -> FromServer:
        try:
            found = self._engine.run(
                run.task,
                client.frames(),
                priority=Priority[run.priority],
                cancelled=client.gone,
                progress=lambda views: client.say(Done(views=views)),
            )
        except (EngineError, PackageError) as fault:
            kind = type(fault)
            return Fault(kind=kind.__name__, code=fault.code, retryable=fault.retryable, words=str(fault))
        return Found(findings=found)


class _Client:
    """One connection: what it says is read by a thread of its own, so that its going away is noticed at once."""

    def __init__(self, connection: Connection, stack: contextlib.ExitStack) -> None:
        self._connection, self._stack = connection, stack
        self._said: queue.Queue[FromClient | Frames | None] = queue.Queue()
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._memory: Frames | None = None
        self._ended = False
        threading.Thread(target=self._listen, name="engine-client-in", daemon=True).start()

    def next(self) -> FromClient | Frames | None:
        """What was said next; None when the client has gone."""
        said = self._said.get()
        if said is None:
            self._said.put(None)  # it stays gone, however often one asks
        return said

    def gone(self) -> bool:
        """Whether the client has gone: nobody waits for the job."""
        return self._left.is_set()

    def say(self, words: FromServer) -> None:
        """Tell the client; one that has gone hears nothing."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(words)

    def frames(self) -> Iterator[FrameInput]:
        """The job's frames, as they come.

        Raises
        ------
        JobCancelled
            The client went away, or speaks out of turn.
        """
        while True:
            said = self.next()
            match said:
                case Frames():
                    self._memory = said
                case FrameIn() if self._memory is not None:
                    pixels = self._memory.read(said.slot, said.shape)
                    self.say(Free(slot=said.slot))
                    yield FrameInput(pixels=pixels, frame=said.frame, view=said.view, pixel_aspect=said.pixel_aspect)
                case End():
                    self._ended = True
                    return
                case _:
                    raise JobCancelled("the client went away while its frames were looked at")

    def pass_over_frames(self) -> None:
        """Read on to the job's end: of a job that failed early, frames may still be on their way."""
        while not self._ended and (said := self.next()) is not None:
            self._ended = isinstance(said, End)
        self._ended = False

    def _listen(self) -> None:
        try:
            while True:
                said = self._connection.recv()
                if isinstance(said, Memory):
                    said = Frames(said.slot_bytes, recv_handle(self._connection))
                    self._stack.callback(said.close)
                self._said.put(said)
        except (EOFError, OSError):
            self._left.set()
            self._said.put(None)
