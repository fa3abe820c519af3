"""Pictures that look alike: a perceptual hash of the lowest frequencies.

A few lines on OpenCV's cosine transform rather than the imagehash library: that one resizes with Pillow, brings
PyWavelets along, and compares one pair at a time, where here each picture is compared with all before it at once.

References
----------
C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.1 (DCT hash).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

EDGE: Final = 32  # px to which a picture is reduced
LOWEST: Final = 8  # frequencies kept along each axis: 64 bits
GROWTH: Final = 4096


def perceptual_hash(picture: NDArray[np.uint8]) -> int:
    """64 bits, one for each of the lowest frequencies: whether it is above their median.

    Parameters
    ----------
    picture
        (H, W), gray.
    """
    small = cv2.resize(picture, (EDGE, EDGE), interpolation=cv2.INTER_AREA).astype(np.float32)
    lowest = np.asarray(cv2.dct(small))[:LOWEST, :LOWEST].ravel()
    above = lowest > np.median(lowest[1:])  # the first one is the mean brightness, which says nothing of the content
    return int.from_bytes(np.packbits(above).tobytes(), "big")


class Gallery:
    """Hashes of the pictures that were kept."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._hashes = np.zeros(GROWTH, np.uint64)
        self._count = 0

    def has_like(self, value: int) -> bool:
        """Whether one kept before differs in at most `bits` of the 64; never where `bits` is negative."""
        differing = np.bitwise_count(self._hashes[: self._count] ^ np.uint64(value))
        return bool((differing <= self._bits).any()) if self._bits >= 0 else False

    def keep(self, value: int) -> None:
        """Remember one more."""
        if self._count == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros(self._count, np.uint64)])
        self._hashes[self._count] = value
        self._count += 1
