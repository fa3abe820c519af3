"""What an engine did so far, in numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMetrics:
    """A snapshot. Times are totals since the start."""

    waiting: int  # requests in the queue now
    passes: int  # batches served
    squares: int  # requests answered
    mean_batch: float  # requests in a batch
    occupancy: float  # share of the time since the start in which a pass ran, 0 to 1
    milliseconds: dict[str, float]  # per pass, by stage: load, encode, heads, conclude
    feature_hits: int
    feature_misses: int
    resident_bytes: int
    evictions: int
    out_of_memory: int
    faults: int  # requests that a package failed
    hung: int


@dataclass(slots=True, kw_only=True)
class Counters:
    """Added to by an engine's threads."""

    since: float = field(default_factory=time.monotonic)
    passes: int = 0
    squares: int = 0
    busy_s: float = 0.0
    evictions: int = 0
    out_of_memory: int = 0
    faults: int = 0
    hung: int = 0
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of one pass."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self.lock:
                seconds, times = self.stages.get(name, (0.0, 0))
                self.stages[name] = (seconds + time.perf_counter() - start, times + 1)

    def snapshot(self, *, waiting: int, hits: int, misses: int, resident_bytes: int) -> EngineMetrics:
        """All of it now."""
        with self.lock:
            stages = dict(self.stages)
        alive = max(1e-9, time.monotonic() - self.since)
        return EngineMetrics(
            waiting=waiting,
            passes=self.passes,
            squares=self.squares,
            mean_batch=self.squares / self.passes if self.passes else 0.0,
            occupancy=min(1.0, self.busy_s / alive),
            milliseconds={name: 1000 * seconds / times for name, (seconds, times) in stages.items()},
            feature_hits=hits,
            feature_misses=misses,
            resident_bytes=resident_bytes,
            evictions=self.evictions,
            out_of_memory=self.out_of_memory,
            faults=self.faults,
            hung=self.hung,
        )
