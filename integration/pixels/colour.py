"""Colour spaces to RGB of eight bits.

References
----------
DICOM PS3.3 C.7.6.3.1.2 (Photometric Interpretation), C.7.6.3.1.5, C.7.9 (palettes); ITU-R BT.601.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut

from integration.pixels.errors import BadHeader

if TYPE_CHECKING:
    from pydicom import Dataset

# YBR_PARTIAL: luma 16 to 235, chroma 16 to 240 about 128.
_PARTIAL_TO_RGB = np.array([[255 / 219, 0, 1.596027], [255 / 219, -0.391762, -0.812968], [255 / 219, 2.017232, 0]])
_PARTIAL_OFFSET = np.array([16.0, 128.0, 128.0])


def ybr_to_rgb(samples: NDArray[np.uint8], photometric: str) -> NDArray[np.uint8]:
    """Convert (rows, columns, 3) of YBR_FULL or YBR_PARTIAL to RGB."""
    if photometric.startswith("YBR_PARTIAL"):
        matrix = np.column_stack([_PARTIAL_TO_RGB, -_PARTIAL_TO_RGB @ _PARTIAL_OFFSET])
        partial = cv2.transform(samples, matrix)
        return partial.astype(np.uint8, copy=False)
    # OpenCV's order is Y, Cr, Cb.
    full = cv2.cvtColor(np.ascontiguousarray(samples[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
    return full.astype(np.uint8, copy=False)


def expand_422(raw: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """Spread the chroma of uncompressed YBR_FULL_422 or YBR_PARTIAL_422 over pairs of pixels.

    Parameters
    ----------
    raw
        Y1 Y2 Cb Cr for each pair of pixels of a row; 2 x rows x columns bytes.

    Returns
    -------
    array of uint8, (rows, columns, 3)
        Y, Cb, Cr.
    """
    pairs = raw.reshape(rows, columns // 2, 4)
    full = np.empty((rows, columns // 2, 2, 3), np.uint8)
    full[..., 0] = pairs[..., 0:2]
    full[..., 1] = pairs[..., 2:3]
    full[..., 2] = pairs[..., 3:4]
    return full.reshape(rows, columns, 3)


class Palette:
    """A colour table, ready to look up."""

    __slots__ = ("_first", "_table")

    def __init__(self, table: NDArray[np.uint8], first: int) -> None:
        self._table = table  # (entries,) gray or (entries, 3)
        self._first = first

    def __call__(self, samples: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Colours of stored values; values outside the table take its first or last entry (PS3.3 C.7.6.3.1.5)."""
        last = len(self._table) - 1
        places: NDArray[np.integer[Any]] = samples
        if self._first != 0 or np.iinfo(samples.dtype).max > last:
            places = np.clip(samples.astype(np.int32) - self._first, 0, last)
        return np.take(self._table, places, axis=0)


def read_palette(ds: Dataset) -> Palette:
    """Read the palette of an image, segmented ones included.

    A table of three equal columns gives gray. Tables of 16-bit entries are known to hold 8-bit values in the low
    byte; those are taken as they are.

    Raises
    ------
    BadHeader
        A table is missing, or does not have the length its descriptor says.
    """
    descriptor = ds.get("RedPaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise BadHeader("PALETTE COLOR without a palette (0028,1101): the colours are unknown")
    entries, first, bits = (int(value) for value in descriptor)
    entries = entries % 65536 or 65536
    first = first - 65536 if first > 32767 and ds.get("PixelRepresentation", 0) == 1 else first
    try:
        table = np.asarray(apply_color_lut(np.arange(first, first + entries), ds))
    except Exception as error:
        raise BadHeader(
            "the palette (0028,1101-1203) cannot be read: its tables do not fit their descriptors"
        ) from error
    table = table.reshape(entries, -1)[:, :3]
    if table.dtype.itemsize > 1 and bits > 8 and int(table.max()) > 255:
        table = table >> 8
    table = np.ascontiguousarray(table.astype(np.uint8))
    gray = bool((table[:, 0] == table[:, 1]).all() and (table[:, 1] == table[:, 2]).all())
    return Palette(np.ascontiguousarray(table[:, 0]) if gray else table, first)
