"""Pictures as senders make them, and what a source gave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image

from integration.live import Broken, FrameSource, LiveError, LiveFrame
from tests.peers.processes import wait_until

SOON_S = 20.0


def jpeg(seed: int = 0, rows: int = 48, columns: int = 64, **how: object) -> bytes:
    """A JPEG picture of noise: every byte value occurs in it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **how)
    return out.getvalue()


def with_thumbnail(seed: int = 0) -> bytes:
    """A picture with another whole one inside an application segment."""
    inner = jpeg(seed + 100, 16, 16)
    return jpeg(seed)[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + jpeg(seed)[2:]


@dataclass
class Heard:
    """What a source gave so far."""

    frames: list[LiveFrame] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    fault: LiveError | None = None

    def wait(self, true: Callable[[Heard], bool], what: str) -> None:
        wait_until(lambda: true(self), SOON_S, f"{what}; so far {len(self.frames)} frames, {self.broken}, {self.fault}")


@contextmanager
def listening_to(source: FrameSource) -> Iterator[Heard]:
    """Take everything that a source gives, as the node does."""
    heard, stop = Heard(), threading.Event()

    def listen() -> None:
        try:
            for item in source.frames(stop):
                if isinstance(item, LiveFrame):
                    heard.frames.append(item)
                else:
                    heard.broken.append(item)
        except LiveError as fault:
            heard.fault = fault

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(SOON_S)
        source.close()
    assert not thread.is_alive()
