"""Ctrl-C and SIGTERM as a wish that a training grants at the next place where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

WISHES: Final = (signal.SIGINT, signal.SIGTERM)  # the second is what torchrun, batch systems and containers send


@contextmanager
def stop_wished(*, once: bool) -> Iterator[Callable[[], bool]]:
    """Within the block both signals only make the given function answer True.

    Parameters
    ----------
    once
        Whether a signal that comes again does what it did before the block, so that who does not want to wait need
        not. Not under torchrun: there a terminal's Ctrl-C comes twice, from the terminal and from torchrun.
    """
    if threading.current_thread() is not threading.main_thread():  # Python takes signals in the main thread only
        yield lambda: False
        return
    wished = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        wished.set()
        if once:
            signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in WISHES}
    try:
        yield wished.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_the_trainer(worker: int) -> None:
    """In a process that prepares batches: a terminal's Ctrl-C reaches it too, and the step under way needs it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
