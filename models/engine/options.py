"""How an engine runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """Who goes first; a lower number does."""

    STAT = 0
    ROUTINE = 1
    SHADOW = 2


def never() -> bool:
    """A job that nobody cancels."""
    return False


def unheard(views_done: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Every limit of an engine, with defaults that work."""

    device: str = "auto"  # auto, cpu, cuda or cuda:N
    precision: str = "auto"  # auto, float32 or bfloat16; auto takes bfloat16 where the device has it
    max_batch: int = 4  # squares in one pass on an accelerator; a CPU takes one
    max_wait_ms: float = 2.0  # how long an accelerator waits for a fuller batch
    ahead: int = 2  # batches that one job may have waiting: a long cine does not fill the queue
    aging_s: float = 30.0  # seconds of waiting that raise a request by one priority
    memory_bytes: int | None = None  # for weights and passes; None: most of what the device has free at the start
    feature_bytes: int = 48 << 20  # of maps kept for other tasks on the same frames
    pass_limit_s: float = 120.0  # after which a pass counts as hung
    pinned: tuple[str, ...] = ()  # tasks that stay in memory
    likely: bool = False  # masks keep the probabilities of their pixels, which a fractional segmentation is made of
    threads: int | None = None  # CPU threads of a pass; None: one for small encoders, torch's own choice for large ones
