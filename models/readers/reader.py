"""What every reader is: raw answers of one job's frames in, findings out. No torch, no files, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding
from models.frames import Place

Raw: TypeAlias = Mapping[str, NDArray[np.float32]]  # what heads said of one square: answers of `spoken`, no batch axis
Conclude: TypeAlias = Callable[[NDArray[np.float32]], Raw]  # a head's `conclude` on (frames, D)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """One view of one frame, and what the heads said of it."""

    frame: int  # 1-based
    square: NDArray[np.uint8]  # (S, S), gray: what the network saw
    place: Place
    raw: Raw
    pixels: NDArray[np.uint8] | None = None  # the whole frame, for readers whose `wants_pixels` is true


class Reader(Protocol):
    """Reads the answers of one job; one reader a job.

    Frames come in their order. A reader keeps what it needs of them and no more: a cine may have thousands.
    """

    def see(self, seen: Seen) -> None:
        """Take note of one view of one frame."""

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """Squares (S, S) that it wants looked at once more now that all frames were seen; mostly none."""

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """What is said, given the answers to `again` in their order; never nothing: `NoFinding` has the reason."""
