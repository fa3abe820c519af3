"""What the node's roles share: the names under which they wake each other, and what ends them."""

from __future__ import annotations

from typing import Final, Protocol

SCHEDULER: Final = "scheduler"
WORKER: Final = "worker"
OUTBOX: Final = "outbox"
FETCHER: Final = "fetcher"


class Stop(Protocol):
    """A threading or a multiprocessing event, set once by whoever ends the role."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...
