"""A place for one thing: the newest replaces what nobody has begun yet."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Latest(Generic[Thing]):
    """Between one thread that puts and one that takes. What is old when its turn comes is not worth its turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thing: Thing | None = None
        self._closed = False

    def put(self, thing: Thing) -> bool:
        """Lay a thing down; True where another one that lay there was dropped for it."""
        with self._changed:
            dropped = self._thing is not None
            self._thing = thing
            self._changed.notify_all()
            return dropped

    def take(self, within_s: float) -> Thing | None:
        """The newest thing, at once or as soon as it comes; None when the time is over or nothing will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._thing is not None or self._closed, within_s)
            thing, self._thing = self._thing, None
            return thing

    def close(self) -> None:
        """Nothing more will be put; what lies there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        """Whether nothing is there and nothing will come."""
        with self._changed:
            return self._closed and self._thing is None
