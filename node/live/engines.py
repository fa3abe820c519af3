"""The engine that a live session asks: that of the node that runs, else one of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from models.engine import EngineClosed, FrameInput, Priority, TaskFindings
from models.engine.shared import RemoteEngine
from models.packages import TaskPackage
from node.config import Settings
from node.wake import engine_socket

if TYPE_CHECKING:
    from models.engine import Engine


class TaskEngine(Protocol):
    """The part of an engine that a live session needs."""

    def run(self, task: str, frames: Iterable[FrameInput], *, priority: Priority) -> TaskFindings:
        """Look at frames, and say what is found."""
        ...


class NodeOrOwnEngine:
    """Runs tasks on the running node's engine while there is one, and on an own engine otherwise.

    It is opened when it is first asked, so that frames can be received meanwhile. When the node goes away, the next
    frame waits for its successor or for an engine of our own to be loaded, and is late; the session goes on.

    Parameters
    ----------
    settings
        The node's settings: where its socket lies, and how an own engine runs.
    packages
        What an own engine is able to run.
    task
        What will be asked; a running node that lacks it is left alone.
    """

    def __init__(self, settings: Settings, packages: Sequence[TaskPackage], task: str) -> None:
        self._settings, self._packages, self._task = settings, packages, task
        self._engine: Engine | RemoteEngine | None = None

    @property
    def where(self) -> str:
        """Whose engine it is, in words."""
        return "the running node's" if isinstance(self._engine, RemoteEngine) else "its own"

    def run(self, task: str, frames: Iterable[FrameInput], *, priority: Priority) -> TaskFindings:
        """As `models.engine.Engine.run`; frames are few and stay in memory.

        Raises
        ------
        EngineError, PackageError
            As there.
        """
        held = tuple(frames)
        if self._engine is None:
            self._engine = self._open()
        try:
            return self._engine.run(task, held, priority=priority)
        except EngineClosed:
            self._engine.close()
            self._engine = self._open()
            return self._engine.run(task, held, priority=priority)

    def close(self) -> None:
        """Part from the node's engine, or stop the own one."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Engine | RemoteEngine:
        remote = self._of_node()
        if remote is not None:
            return remote
        from node.worker import engine_of  # brings torch, which a client of a running node does without

        return engine_of(self._packages, self._settings.models)

    def _of_node(self) -> RemoteEngine | None:
        if not self._settings.data_dir.is_dir():  # no node ever ran here, and none must be pretended
            return None
        try:
            engine = RemoteEngine(engine_socket(self._settings.data_dir))
            identities = engine.about().identities
        except (EngineClosed, PermissionError):  # none runs, or it is another user's
            return None
        if self._task in {identity.task for identity in identities}:
            return engine
        engine.close()
        return None
