"""How large an image may be before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from integration.pixels.errors import FrameTooSmall, TooLarge

KIB = 1024
GIB = KIB**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes beyond which an image is refused, before any memory is taken for it."""

    max_rows: int = 8192
    max_columns: int = 8192
    max_frames: int = 20_000
    max_frame_bytes: int = 8192 * 8192 * 6  # one decoded frame as stored: three samples of 16 bits
    max_inflated_bytes: int = 8 * GIB  # a deflated data set, unpacked to a temporary file
    min_rows: int = 16
    min_columns: int = 16

    def check(self, *, rows: int, columns: int, frames: int, frame_bytes: int) -> None:
        """Compare an image's sizes with the limits.

        Raises
        ------
        TooLarge, FrameTooSmall
            With the size, the limit, and what to do.
        """
        if rows > self.max_rows or columns > self.max_columns:
            raise TooLarge(
                f"a frame of {columns} x {rows} pixels is larger than the limit of {self.max_columns} x "
                f"{self.max_rows}: send it reduced"
            )
        if frame_bytes > self.max_frame_bytes:
            raise TooLarge(
                f"a decoded frame of {frame_bytes} bytes is larger than the limit of {self.max_frame_bytes}: "
                "send it reduced or with 8 bits a sample"
            )
        if frames > self.max_frames:
            raise TooLarge(f"{frames} frames are more than the limit of {self.max_frames}: send the cine in parts")
        if rows < self.min_rows or columns < self.min_columns:
            raise FrameTooSmall(
                f"a frame of {columns} x {rows} pixels is smaller than the least of {self.min_columns} x "
                f"{self.min_rows} and shows nothing to measure"
            )


DEFAULT_LIMITS = Limits()
