"""How fast results are sent to a destination: a number of them a minute, a number of bytes a second."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from time import monotonic

BURST_S = 1.0  # what was not used is kept for this long at most


class Pace:
    """Says how many results may go now; shared by all connections to one destination.

    What is sent is only counted afterwards, so that one large result goes at full speed, and what follows waits.

    Parameters
    ----------
    per_minute
        Most results a minute; None: no limit.
    bytes_per_s
        Most bytes a second, on average; None: no limit.
    clock
        Seconds that only go on.
    """

    def __init__(
        self, per_minute: float | None, bytes_per_s: int | None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._results = None if per_minute is None else _Bucket(per_minute / 60, 1.0, clock())
        self._bytes = None if bytes_per_s is None else _Bucket(bytes_per_s, 0.0, clock())
        self._clock = clock
        self._rests_until = -math.inf
        self._lock = threading.Lock()

    def take(self, most: int) -> int:
        """Reserve as many results as may go now, at most `most`; what is then not sent is given back."""
        with self._lock:
            now = self._clock()
            if now < self._rests_until or (self._bytes is not None and self._bytes.level(now) < 0):
                return 0
            if self._results is None:
                # Their sizes are not known before they are claimed: one at a time keeps to the limit.
                return most if self._bytes is None else 1
            count = min(most, 1 if self._bytes else most, math.floor(self._results.level(now)))
            if count > 0:
                self._results.spend(count)
            return max(0, count)

    def give_back(self, count: int) -> None:
        """Return what was reserved and not sent."""
        with self._lock:
            if self._results is not None:
                self._results.spend(-count)

    def sent(self, size: int) -> None:
        """A result of so many bytes has gone."""
        with self._lock:
            if self._bytes is not None:
                self._bytes.spend(size)

    def rest(self, seconds: float) -> None:
        """Nothing goes for so long: the destination asks to be left alone."""
        with self._lock:
            self._rests_until = max(self._rests_until, self._clock() + seconds)

    def wait_s(self) -> float:
        """Seconds until the next may go."""
        with self._lock:
            now = self._clock()
            waits = [each.wait_s(now, need) for each, need in ((self._results, 1.0), (self._bytes, 0.0)) if each]
            return max(0.0, self._rests_until - now, *waits)


class _Bucket:
    """Fills at a rate, up to what it gains in `BURST_S`; may be overdrawn."""

    def __init__(self, per_s: float, least_room: float, now: float) -> None:
        self._per_s = per_s
        self._room = max(per_s * BURST_S, least_room)
        self._level, self._at = self._room, now

    def level(self, now: float) -> float:
        self._level = min(self._room, self._level + (now - self._at) * self._per_s)
        self._at = now
        return self._level

    def spend(self, amount: float) -> None:
        self._level -= amount

    def wait_s(self, now: float, need: float) -> float:
        return max(0.0, need - self.level(now)) / self._per_s
