"""Frames decoded ahead of the engine, a few at a time: the next is ready when the network asks, and never all are."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from integration.pixels import SourceImage

AHEAD_BYTES: Final = 48 << 20
MOST_AHEAD: Final = 8
PUT_S: Final = 0.2
Frame: TypeAlias = tuple[int, NDArray[np.uint8]]


def decoded_ahead(image: SourceImage) -> Iterator[Frame]:
    """All frames of an image in order, decoded by a thread of its own while the caller is busy.

    Yields
    ------
    tuple
        Frame number from 1, and its pixels (rows, columns) or (rows, columns, 3), uint8.

    Raises
    ------
    PixelError
        As `SourceImage.frames` does, in the caller's thread.
    """
    if image.number_of_frames == 1:
        yield from image.frames()
        return
    ahead = max(1, min(MOST_AHEAD, AHEAD_BYTES // max(1, image.rows * image.columns * 3)))
    ready: queue.Queue[Frame | BaseException | None] = queue.Queue(maxsize=ahead)
    done = threading.Event()
    thread = threading.Thread(target=_decode, args=(image, ready, done), name="decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        done.set()
        with suppress(queue.Empty):
            ready.get_nowait()
        thread.join()


def _decode(image: SourceImage, ready: queue.Queue[Frame | BaseException | None], done: threading.Event) -> None:
    try:
        for frame in image.frames():
            if not _put(ready, frame, done):
                return
        _put(ready, None, done)
    except BaseException as error:  # noqa: BLE001 - goes to the thread that asked for the frames
        _put(ready, error, done)


def _put(
    ready: queue.Queue[Frame | BaseException | None], item: Frame | BaseException | None, done: threading.Event
) -> bool:
    while not done.is_set():
        try:
            ready.put(item, timeout=PUT_S)
        except queue.Full:
            continue
        return True
    return False
