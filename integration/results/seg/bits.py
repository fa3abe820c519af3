"""Masks to the bit order of binary segmentations.

References
----------
DICOM PS3.5 8.1.1 and 8.2: one bit a pixel, the first pixel in the least significant bit, frames without gaps.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1).ravel()


def pack_frames(frames: Iterable[NDArray[np.uint8]], pixels: int) -> bytes:
    """Join packed frames into PixelData.

    Parameters
    ----------
    frames
        Each of ceil(pixels / 8) bytes as `models.findings.Mask.packed`: first pixel in the most significant bit.
    pixels
        Pixels of one frame; need not be a multiple of 8.

    Returns
    -------
    bytes
        Frames contiguous to the bit, padded to an even length.
    """
    parts: list[bytes] = []
    if pixels % 8 == 0:
        parts.extend(_REVERSED[frame].tobytes() for frame in frames)
    else:
        left_over = np.empty(0, np.uint8)  # bits of the byte that the next frame goes on with
        for frame in frames:
            bits = np.concatenate([left_over, np.unpackbits(frame, count=pixels)])
            whole = bits.size // 8 * 8
            parts.append(np.packbits(bits[:whole], bitorder="little").tobytes())
            left_over = bits[whole:]
        parts.append(np.packbits(left_over, bitorder="little").tobytes())
    packed = b"".join(parts)
    return packed + b"\0" * (len(packed) % 2)
