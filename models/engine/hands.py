"""How many jobs may cut and read frames at the same time: more would only take cores from the passes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from models.engine.options import Priority


class Hands:
    """Lets `count` callers in at once; of those that wait, the most urgent next, and of equals the first to come."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Priority, int]] = []
        self._numbers = 0
        self._changed = Condition()

    @contextmanager
    def held(self, priority: Priority) -> Iterator[None]:
        """Wait for a free hand, and have it for this context."""
        with self._changed:
            turn = (priority, self._numbers)
            self._numbers += 1
            heapq.heappush(self._waiting, turn)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == turn)
            heapq.heappop(self._waiting)
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
