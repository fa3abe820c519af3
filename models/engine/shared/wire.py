"""What client and server say to each other.

The socket and its key lie in a folder that only the node's user may enter; whoever can speak here is that user.
"""

from __future__ import annotations

import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import errors
from models.engine.metrics import EngineMetrics
from models.errors import EngineError
from models.findings import TaskFindings, TaskIdentity

KEY_BYTES = 32
SLOTS = 4  # frames of one job that may lie in shared memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Client: a job begins."""

    task: str
    priority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Client: where frames will lie from now on; the descriptor of anonymous memory follows."""

    slot_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIn:
    """Client: a view of a frame lies in a slot; the slot is the server's until it says `Free`."""

    slot: int
    shape: tuple[int, ...]
    frame: int
    view: tuple[int, int, int, int]
    pixel_aspect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Client: that was the last frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Client: tell about yourself; answered by `About`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Server: tasks and what was done so far."""

    identities: tuple[TaskIdentity, ...]
    metrics: EngineMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Server: a slot may be used again."""

    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Server: so many views were looked at."""

    views: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Server: the job's findings."""

    findings: TaskFindings


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Server: the job failed."""

    kind: str
    code: str
    retryable: bool
    words: str

    def error(self) -> EngineError:
        """As the client's caller gets it."""
        kind = getattr(errors, self.kind, EngineError)
        fault: EngineError = kind(self.words) if issubclass(kind, EngineError) else EngineError(self.words)
        fault.code, fault.retryable = self.code, self.retryable
        return fault


FromClient: TypeAlias = Run | Memory | FrameIn | End | Ask
FromServer: TypeAlias = About | Free | Done | Found | Fault


class Frames:
    """Slots for frames in anonymous memory: it has no name, so none is left behind by a process that was killed."""

    def __init__(self, slot_bytes: int, descriptor: int | None = None) -> None:
        self.slot_bytes = slot_bytes
        if descriptor is None:
            self.descriptor = os.memfd_create("echocare-frames", os.MFD_CLOEXEC)
            os.ftruncate(self.descriptor, SLOTS * slot_bytes)
        else:
            self.descriptor = descriptor
        self._map = mmap.mmap(self.descriptor, SLOTS * slot_bytes)

    def write(self, slot: int, pixels: NDArray[np.uint8]) -> None:
        """Put a frame into a slot."""
        self._map[slot * self.slot_bytes : slot * self.slot_bytes + pixels.nbytes] = pixels.tobytes()

    def read(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A copy of the frame in a slot."""
        start = slot * self.slot_bytes
        return np.frombuffer(self._map[start : start + math.prod(shape)], np.uint8).reshape(shape)

    def close(self) -> None:
        """Let go of the memory; it is gone when both sides did."""
        self._map.close()
        os.close(self.descriptor)


def new_key(socket: Path) -> bytes:
    """Write a fresh key beside a socket; only the user can read it."""
    path = key_path(socket)
    path.unlink(missing_ok=True)
    key = os.urandom(KEY_BYTES)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key


def key_path(socket: Path) -> Path:
    """Where the key of a socket lies."""
    return socket.with_suffix(".key")
