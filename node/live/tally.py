"""What became of every frame of a live session, and how long answers took."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

KEPT = 100_000  # latencies; of a longer session the last ones count


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of all frames seen, each is one of the others, or still under way."""

    seen: int  # came in, whole or not
    answered: int  # within the budget
    stale: int  # answered too late to be current
    dropped: int  # a newer one came before their turn
    bad: int  # not whole, not a picture, too large
    failed: int  # the engine gave no answer
    median_ms: float | None  # from receipt to answer, of those that were answered; None: of none
    p95_ms: float | None


class Tally:
    """Counts; used by the thread that receives and the one that looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("seen", "answered", "stale", "dropped", "bad", "failed"), 0)
        self._latencies_ms: deque[float] = deque(maxlen=KEPT)

    def add(self, *what: str) -> int:
        """Count one of each; returns how many frames were seen so far."""
        with self._lock:
            for name in what:
                self._counts[name] += 1
            return self._counts["seen"]

    def answered(self, latency_ms: float, *, stale: bool) -> None:
        """Count an answer."""
        self.add("stale" if stale else "answered")
        with self._lock:
            self._latencies_ms.append(latency_ms)

    @property
    def dropped(self) -> int:
        """Frames whose turn never came."""
        with self._lock:
            return self._counts["dropped"]

    def summary(self) -> Summary:
        """All of it now."""
        with self._lock:
            times = np.array(self._latencies_ms, dtype=np.float64)
            counts = dict(self._counts)
        median, p95 = (float(value) for value in np.percentile(times, (50, 95))) if times.size else (None, None)
        return Summary(**counts, median_ms=median, p95_ms=p95)
