"""What the engine is given, one view of one frame, and the square that a network sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.colour import flow_share
from models.errors import BadFrame
from models.preprocess import Letterbox, gray, letterbox

SMALLEST = 16  # px, edge of a view


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameInput:
    """A whole frame, and the rectangle of it that a task should look at."""

    pixels: NDArray[np.uint8]  # (H, W) or (H, W, 3) RGB, upright
    frame: int  # 1-based
    view: tuple[int, int, int, int]  # left, top, right, bottom: px, inclusive
    pixel_aspect: float = 1.0  # height over width of one pixel in the body


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where a network's square came from."""

    rows: int  # of the whole frame
    columns: int
    view: tuple[int, int, int, int]
    pixel_aspect: float
    box: Letterbox  # from pixels of the view to the square
    flow: float = 0.0  # share of the view in the colours of flow, 0 to 1


def square_of(given: FrameInput, size: int) -> tuple[NDArray[np.uint8], Place]:
    """The square that a network sees, (size, size), and where it came from.

    Raises
    ------
    BadFrame
        Not uint8, not gray or RGB, a view outside the frame or too small, or a pixel aspect that is no proportion.
    """
    pixels = given.pixels
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise BadFrame(f"frame {given.frame} is {pixels.dtype} {pixels.shape}, not 8-bit gray or RGB")
    rows, columns = pixels.shape[:2]
    left, top, right, bottom = given.view
    if not (0 <= left <= right < columns and 0 <= top <= bottom < rows):
        raise BadFrame(f"the view {given.view} of frame {given.frame} leaves its {columns} x {rows} pixels")
    if min(right - left, bottom - top) + 1 < SMALLEST:
        raise BadFrame(f"the view {given.view} of frame {given.frame} is below {SMALLEST} x {SMALLEST} pixels")
    if not 0.1 <= given.pixel_aspect <= 10:
        raise BadFrame(f"a pixel aspect of {given.pixel_aspect} in frame {given.frame} is no proportion of a picture")
    part = pixels[top : bottom + 1, left : right + 1]
    square, box = letterbox(np.ascontiguousarray(gray(part)), size, given.pixel_aspect)
    place = Place(
        rows=rows,
        columns=columns,
        view=given.view,
        pixel_aspect=given.pixel_aspect,
        box=box,
        flow=flow_share(part),
    )
    return square, place
