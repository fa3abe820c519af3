"""Masks to label maps: one byte a pixel, which says whose it is.

References
----------
DICOM PS3.3 C.8.20.2.3.3 (LABELMAP), PS3.5 Annex G (RLE compression).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.encoders.base import RLELosslessEncoder

from integration.results.seg.segments import Segment

MOST_LABELS: Final = 255  # numbers of one byte, beside 0 for none


def label_maps(segments: Sequence[Segment], rows: int, columns: int) -> Iterator[NDArray[np.uint8]]:
    """The map of each frame that has a mask, in the order of the frames: (rows, columns), 0 where there is no segment.

    Parameters
    ----------
    segments
        That do not overlap, at most `MOST_LABELS`.
    rows, columns
        Size of a frame.
    """
    for frame in sorted({frame for segment in segments for frame in segment.frames}):
        labels = np.zeros(rows * columns, np.uint8)
        for segment in segments:
            packed = segment.frames.get(frame)
            if packed is not None:
                labels[np.unpackbits(packed, count=rows * columns).view(bool)] = segment.number
        yield labels.reshape(rows, columns)


def run_length_coded(labels: NDArray[np.uint8]) -> bytes:
    """One frame by RLE Lossless."""
    rows, columns = labels.shape
    coded: bytes = RLELosslessEncoder.encode(
        np.ascontiguousarray(labels),
        encoding_plugin="pylibjpeg",
        rows=rows,
        columns=columns,
        number_of_frames=1,
        samples_per_pixel=1,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )
    return coded
