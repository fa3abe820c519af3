"""What jobs ask of an engine's core: one square looked at, or many frames' answers concluded."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from models.packages.package import TaskPackage
from models.readers.reader import Raw

_SETTLING = Lock()  # a hung pass may come back after its request was failed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One question of one job; exactly one of `square` and `gathered` is there."""

    package: TaskPackage
    square: NDArray[np.uint8] | None = None  # (S, S)
    gathered: NDArray[np.float32] | None = None  # (frames, D)
    future: Future[Raw] = field(default_factory=Future)

    @property
    def lane(self) -> Hashable:
        """Requests of one lane can share a pass."""
        if self.square is None:
            return ("conclude", self.package.identity.digest)
        adapter = self.package.identity.digest if self.package.card.adapter is not None else None
        return ("look", self.package.encoder.digest, adapter, self.square.shape[0])

    @property
    def key(self) -> Hashable:
        """What the encoder's maps of this request depend on, beside the precision."""
        if self.square is None:
            return self.lane
        return (self.lane, blake2b(np.ascontiguousarray(self.square).data, digest_size=16).digest())

    def answer(self, raw: Raw) -> None:
        """Answer, unless somebody gave the request up or was first."""
        with _SETTLING:
            if not self.future.done():
                self.future.set_result(raw)

    def fail(self, fault: BaseException) -> None:
        """Say why there is no answer, unless somebody gave the request up or was first."""
        with _SETTLING:
            if not self.future.done():
                self.future.set_exception(fault)
