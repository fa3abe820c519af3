"""What a source gives: frames that are not decoded yet, and notes of those that are none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from integration.pixels import Calibration, Limits, TooLarge, View

BYTES_PER_PIXEL = 6  # of the largest kind: three samples of 16 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What all kinds of source share."""

    max_frame_bytes: int = 16 << 20  # of one picture as it is sent
    max_frame_pixels: int = 1 << 24  # rows by columns, checked before a picture is decoded
    pixel_spacing: tuple[float, float] | None = None  # mm between rows and between columns, of what is not DICOM
    poll_s: float = 0.05  # between looks into a folder

    @property
    def limits(self) -> Limits:
        """As the readers of files take them."""
        return Limits(max_frame_bytes=self.max_frame_pixels * BYTES_PER_PIXEL)

    @property
    def calibration(self) -> Calibration:
        """Of a picture without DICOM attributes."""
        if self.pixel_spacing is None:
            return Calibration(reason="no pixel spacing was given for the stream")
        return Calibration.from_spacing(*self.pixel_spacing)

    def check_pixels(self, rows: int, columns: int) -> None:
        """Hold a frame to the limit.

        Raises
        ------
        TooLarge
            With the sizes and what to do.
        """
        if rows * columns > self.max_frame_pixels:
            raise TooLarge(
                f"a frame of {columns} x {rows} pixels is larger than the limit of {self.max_frame_pixels} pixels: "
                "send it reduced, or raise live.max_frame_pixels"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveImage:
    """A decoded frame with its scale."""

    pixels: NDArray[np.uint8]  # (rows, columns) gray or (rows, columns, 3) RGB, upright
    views: tuple[View, ...]  # the rectangles that a task should look at
    calibration: Calibration


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveFrame:
    """A frame as it came in. It is decoded only when its turn comes: most frames of a fast source never are.

    `open` raises a `PixelError` where the frame cannot be used.
    """

    received_at: float  # `time.monotonic()` when it was there
    open: Callable[[], LiveImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A frame that never became whole, or bytes that hold none."""

    reason: str


Received: TypeAlias = LiveFrame | Broken


class FrameSource(Protocol):
    """Where frames come from. Opened by its constructor, so that what is wrong is told at once."""

    @property
    def where(self) -> str:
        """Its address in words, with the port that it really got."""

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        """Everything that comes in, at once, until stopped.

        It must be asked on without delay: what waits in it is old. Used by one thread.

        Raises
        ------
        SourceLost
            Nothing will come any more.
        """

    def close(self) -> None:
        """Give back what it holds; after `frames` has ended."""
