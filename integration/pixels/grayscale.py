"""Gray values of any depth to eight bits, as a display would show them.

The order is that of the standard: stored value, modality transformation, window or table, polarity.

References
----------
DICOM PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT, C.11.2.1.2.1 for the window's arithmetic), C.7.6.3.1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from integration.pixels.errors import BadHeader
from integration.pixels.layout import Layout

if TYPE_CHECKING:
    from pydicom import Dataset

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A VOI window."""

    centre: float
    width: float
    function: str  # LINEAR, LINEAR_EXACT or SIGMOID

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 to 1."""
        if self.function == "SIGMOID":
            shown: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(-4 * (values - self.centre) / self.width, -60, 60)))
            return shown
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.centre) / self.width + 0.5, 0, 1)
        width = max(self.width - 1, 1e-9)
        return np.clip((values - (self.centre - 0.5)) / width + 0.5, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A Modality or VOI LUT."""

    first: int
    table: NDArray[np.float64]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        places = np.clip(np.round(values).astype(np.int64) - self.first, 0, len(self.table) - 1)
        return self.table[places]


def stored_values(samples: NDArray[np.integer[Any]], layout: Layout) -> NDArray[np.integer[Any]]:
    """Take the stored bits out of their words: overlays and rubbish in the other bits go away, the sign is kept."""
    shift = layout.high_bit + 1 - layout.bits_stored
    if layout.bits_stored == layout.bits_allocated and not layout.signed:
        return samples
    words = samples.view(f"u{samples.dtype.itemsize}").astype(np.int64) >> shift
    words &= (1 << layout.bits_stored) - 1
    if not layout.signed:
        return words
    sign = 1 << (layout.bits_stored - 1)
    return (words ^ sign) - sign


class GrayScale:
    """The way from stored values to what is shown, read once from a header.

    Parameters
    ----------
    ds
        The header.
    layout
        Its Image Pixel Module.
    measured
        Gives the least and largest stored value of the instance; asked only where samples of more than eight bits come
        without window and without declared range.
    """

    def __init__(self, ds: Dataset, layout: Layout, measured: Callable[[], Range]) -> None:
        self._layout = layout
        self._invert = layout.photometric == "MONOCHROME1"
        try:
            self._modality = _modality(ds)
            voi = _voi(ds)
            declared = _declared_range(ds)
        except Exception as error:
            raise BadHeader("the gray-scale transformation (0028,1050-3010) cannot be read") from error
        plain = self._modality is None and voi is None and layout.bits_stored == 8 and not layout.signed
        self._identity = plain
        self._voi = voi if voi is not None else self._full_range(declared, measured)
        self._table = None if plain or layout.bits_stored > 16 else self._tabulate()

    def __call__(self, samples: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Show stored samples of shape (rows, columns) with eight bits."""
        stored = stored_values(samples, self._layout)
        if self._identity:
            shown = stored.astype(np.uint8, copy=False)
            return 255 - shown if self._invert else shown
        if self._table is None:
            return self._show(stored.astype(np.float64))
        return np.take(self._table, stored + self._offset if self._offset else stored)

    @property
    def _offset(self) -> int:
        return 1 << (self._layout.bits_stored - 1) if self._layout.signed else 0

    def _tabulate(self) -> NDArray[np.uint8]:
        # One look-up for each possible stored value is far cheaper than arithmetic on every pixel of every frame.
        return self._show(np.arange(1 << self._layout.bits_stored, dtype=np.float64) - self._offset)

    def _show(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        scaled = values if self._modality is None else self._modality(values)
        shown = np.rint(self._voi(scaled) * 255).astype(np.uint8)
        return 255 - shown if self._invert else shown

    def _full_range(self, declared: Range | None, measured: Callable[[], Range]) -> Window:
        bits = self._layout.bits_stored
        if bits <= 8:
            low = float(-self._offset)
            high = low + (1 << bits) - 1
        else:
            low, high = declared or measured()
        ends = np.array([low, high])
        ends = ends if self._modality is None else self._modality(ends)
        low, high = float(ends.min()), float(ends.max())
        return Window(centre=(low + high) / 2, width=max(high - low, 1.0), function="LINEAR_EXACT")


def _declared_range(ds: Dataset) -> Range | None:
    for least, largest in (
        ("SmallestPixelValueInSeries", "LargestPixelValueInSeries"),
        ("SmallestImagePixelValue", "LargestImagePixelValue"),
    ):
        low, high = ds.get(least), ds.get(largest)
        if isinstance(low, int) and isinstance(high, int) and high > low:
            return float(low), float(high)
    return None


def _modality(ds: Dataset) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    if ds.get("ModalityLUTSequence"):
        return _lookup(ds.ModalityLUTSequence[0], scale=1.0)
    slope, intercept = ds.get("RescaleSlope"), ds.get("RescaleIntercept")
    if slope is None or intercept is None or (float(slope), float(intercept)) == (1.0, 0.0) or float(slope) == 0:
        return None
    return lambda values: values * float(slope) + float(intercept)


def _voi(ds: Dataset) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    if ds.get("VOILUTSequence"):
        item = ds.VOILUTSequence[0]
        bits = int(item.LUTDescriptor[2])
        return _lookup(item, scale=1.0 / ((1 << bits) - 1))
    centre, width = _first(ds.get("WindowCenter")), _first(ds.get("WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    function = str(ds.get("VOILUTFunction", "") or "LINEAR").upper()
    if function == "LINEAR" and width < 1:
        return None
    return Window(centre=centre, width=width, function=function)


def _first(value: object) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float):
        return float(value)
    values = list(value)  # type: ignore[call-overload]
    return float(values[0]) if values else None


def _lookup(item: Dataset, *, scale: float) -> Lookup:
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    raw = item.LUTData
    if isinstance(raw, bytes):
        kind = "<u2" if len(raw) >= 2 * (entries % 65536 or 65536) else "u1"
        raw = np.frombuffer(raw, kind)
    table = np.asarray(raw, np.float64)
    mask = (1 << bits) - 1
    return Lookup(first=first, table=np.clip(table, 0, mask) * scale)
