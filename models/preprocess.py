"""From a frame of any size to the square that a network sees, and back to source pixels.

The trainer and the engine both go through here, so a network is never run on pictures made otherwise than those it
learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """Where a picture lies in the square: square = scale * source + shift, for pixel centres."""

    size: int  # edge of the square, px
    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float

    def to_source(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (n, 2) of the square to pixels of the source picture."""
        source: NDArray[np.float64] = (points - np.array([self.shift_x, self.shift_y])) / np.array(
            [self.scale_x, self.scale_y]
        )
        return source

    def matrix(self) -> NDArray[np.float64]:
        """The 2 x 3 affine matrix from source pixels to the square."""
        return np.array([[self.scale_x, 0.0, self.shift_x], [0.0, self.scale_y, self.shift_y]])


def gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luminance of an RGB frame (H, W, 3); a gray frame (H, W) as it is."""
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def letterbox(pixels: NDArray[np.uint8], size: int, pixel_aspect: float = 1.0) -> tuple[NDArray[np.uint8], Letterbox]:
    """Fit a gray picture into a black square, centred, with square pixels.

    Parameters
    ----------
    pixels
        (H, W), uint8.
    size
        Edge of the square, px.
    pixel_aspect
        Height over width of one source pixel in the body.

    Returns
    -------
    tuple
        The square (size, size), uint8, and where the picture lies in it.
    """
    height, width = pixels.shape
    scale = size / max(height * pixel_aspect, width)
    tall = min(size, max(1, round(height * pixel_aspect * scale)))
    wide = min(size, max(1, round(width * scale)))
    shrinks = tall < height and wide < width
    small = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    top, left = (size - tall) // 2, (size - wide) // 2
    square = np.zeros((size, size), np.uint8)
    square[top : top + tall, left : left + wide] = small
    scale_x, scale_y = wide / width, tall / height
    where = Letterbox(
        size=size,
        scale_x=scale_x,
        scale_y=scale_y,
        shift_x=left + (scale_x - 1) / 2,
        shift_y=top + (scale_y - 1) / 2,
    )
    return square, where
