"""A capture device, through OpenCV: the frame grabber behind a scanner's video output, or a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.live.errors import SourceLost, SourceUnavailable
from integration.live.frame import LiveFrame, LiveImage, Received, SourceOptions
from integration.pixels.views import find_views

MOST_MISSES = 10  # reads in a row without a frame, after which the device counts as gone
MISS_PAUSE_S = 0.05


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def isOpened(self) -> bool:
        """Whether there is a device."""
        ...

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        """Wait for the next frame: (H, W, 3) BGR or (H, W) gray."""
        ...

    def release(self) -> None:
        """Give the device back."""
        ...


def capture(index: int) -> Capture:
    """Open a device; OpenCV's own words about those that fail are left out, ours follow."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cast(Capture, cv2.VideoCapture(index))
    finally:
        cv2.utils.logging.setLogLevel(level)


class DeviceSource:
    """Frames of a capture device.

    Parameters
    ----------
    index
        Number of the device, from 0.
    options
        Limits, and the scale of the frames.
    opening
        Opens the device.

    Raises
    ------
    SourceUnavailable
        There is no such device, or it cannot be had.
    """

    def __init__(self, index: int, options: SourceOptions, opening: Callable[[int], Capture] = capture) -> None:
        self._index, self._options = index, options
        self._capture = opening(index)
        if not self._capture.isOpened():
            raise SourceUnavailable(
                f"capture device {index} cannot be opened: is it plugged in, may this user read /dev/video{index}, and "
                "does no other program use it?"
            )

    @property
    def where(self) -> str:
        """The device."""
        return f"capture device {self._index}"

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        """Frames at the pace of the device.

        Raises
        ------
        SourceLost
            It gives no frames any more.
        """
        misses = 0
        while not stop.is_set():
            there, pixels = self._capture.read()
            if there:
                misses = 0
                yield LiveFrame(received_at=time.monotonic(), open=partial(self._open, pixels))
                continue
            misses += 1
            if misses >= MOST_MISSES:
                raise SourceLost(f"capture device {self._index} gives no frames any more: was it unplugged?")
            stop.wait(MISS_PAUSE_S)

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()

    def _open(self, pixels: NDArray[np.uint8]) -> LiveImage:
        rows, columns = pixels.shape[:2]
        self._options.check_pixels(rows, columns)
        self._options.limits.check(rows=rows, columns=columns, frames=1, frame_bytes=pixels.nbytes)
        colours = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        calibration = self._options.calibration
        return LiveImage(pixels=colours, views=find_views(calibration.regions, rows, columns), calibration=calibration)
