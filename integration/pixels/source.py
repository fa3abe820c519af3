"""One image instance, opened without its pixels and read frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from integration.pixels.calibration import Calibration
from integration.pixels.codecs import Samples, codec_for, decode_frame
from integration.pixels.colour import expand_422, read_palette, ybr_to_rgb
from integration.pixels.container import Container, open_container
from integration.pixels.errors import BadHeader, NoSuchFrame, PixelError, Truncated, UnsupportedPhotometric
from integration.pixels.fragments import FrameFragments, index_frames
from integration.pixels.grayscale import GrayScale, Range, stored_values
from integration.pixels.layout import MONOCHROME, SUBSAMPLED, YBR, Layout, read_layout
from integration.pixels.limits import DEFAULT_LIMITS, Limits
from integration.pixels.timing import read_frame_times
from integration.pixels.views import View, find_views

if TYPE_CHECKING:
    from pydicom import Dataset

Pixels: TypeAlias = NDArray[np.uint8]
ReadFrame: TypeAlias = Callable[[int], Pixels]


class SourceImage:
    """An image of which only the header is in memory.

    Attributes
    ----------
    header
        The data set without pixel data.
    sop_instance_uid, rows, columns, number_of_frames
        As the header has them.
    calibration
        What the header says about scale.
    views
        The rectangles a task should look at.
    frame_times_ms
        Time of each frame after the first; None where unknown.
    """

    def __init__(self, header: Dataset, *, rows: int, columns: int, calibration: Calibration, read: ReadFrame) -> None:
        self.header = header
        self.sop_instance_uid = str(header.get("SOPInstanceUID", "") or "")
        self.rows = rows
        self.columns = columns
        self.number_of_frames = int(header.get("NumberOfFrames", 1) or 1)
        self.calibration = calibration
        self.views: tuple[View, ...] = find_views(calibration.regions, rows, columns)
        self.frame_times_ms = read_frame_times(header, self.number_of_frames)
        self._read = read

    def frame(self, n: int) -> Pixels:
        """Decode one frame.

        Parameters
        ----------
        n
            Frame number from 1.

        Returns
        -------
        array of uint8
            (rows, columns) gray or (rows, columns, 3) RGB, as stored: never turned or mirrored.

        Raises
        ------
        NoSuchFrame, Truncated, UndecodableFrame
        """
        if not 1 <= n <= self.number_of_frames:
            raise NoSuchFrame(f"there is no frame {n}: the instance has frames 1 to {self.number_of_frames}")
        return self._read(n)

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, Pixels]]:
        """Decode frames one after another; only the one in hand is in memory.

        Parameters
        ----------
        numbers
            Frame numbers from 1, in the order wanted; None: all.

        Yields
        ------
        tuple
            Frame number and its pixels, as `frame` gives them.
        """
        for n in range(1, self.number_of_frames + 1) if numbers is None else numbers:
            yield n, self.frame(n)


def open_image(path: Path, limits: Limits = DEFAULT_LIMITS) -> SourceImage:
    """Open a DICOM image; its pixel data stay on the disk.

    Raises
    ------
    PixelError
        One of its kinds, saying what is wrong with the instance.
    """
    container = open_container(path, limits)
    try:
        layout = read_layout(container.header)
        limits.check(rows=layout.rows, columns=layout.columns, frames=layout.frames, frame_bytes=layout.frame_bytes)
        return SourceImage(
            container.header,
            rows=layout.rows,
            columns=layout.columns,
            calibration=Calibration.from_dataset(container.header),
            read=FrameReader(container, layout).read,
        )
    except PixelError:
        raise
    except Exception as error:
        # pydicom converts values when they are asked for, and raises many kinds on damaged ones.
        raise BadHeader(f"an attribute of the header cannot be read ({type(error).__name__}): send it again") from error


class FrameReader:
    """From bytes on the disk to pixels, one frame at a time."""

    def __init__(self, container: Container, layout: Layout) -> None:
        self._container = container
        self._layout = layout
        native = container.transfer_syntax in _NATIVE
        if native != (not container.encapsulated):
            raise BadHeader(
                f"the Transfer Syntax UID (0002,0010) {container.transfer_syntax} does not fit the pixel data, which "
                f"are {'encapsulated' if container.encapsulated else 'not encapsulated'}: the sender must mend it"
            )
        self._stored_bytes = self._native_frame_bytes() if native else 0
        self._index: tuple[FrameFragments, ...] = ()
        self._codec = None if native else codec_for(container.transfer_syntax)
        if not native:
            self._index = index_frames(container.data, container.offset, layout.frames, container.header)
        self._palette = read_palette(container.header) if layout.photometric == "PALETTE COLOR" else None

    def read(self, n: int) -> Pixels:
        """Frame `n` (from 1) as gray or RGB of eight bits."""
        samples, ybr = self._samples(n)
        shown = self._shown(samples, ybr=ybr)
        return shown if shown.flags.writeable else shown.copy()

    def _samples(self, n: int) -> tuple[Samples, bool]:
        if self._codec is None:
            return self._native(n)
        data = self._container.data
        stream = b"".join(data.read(part.offset, part.length) for part in self._index[n - 1])
        return decode_frame(self._codec, stream, self._layout, n)

    def _native_frame_bytes(self) -> int:
        """Bytes of one frame on the disk; raises where the file is too short for all."""
        layout, container = self._layout, self._container
        available = min(container.length, container.data.size - container.offset)
        size = layout.frame_bytes
        if layout.photometric in SUBSAMPLED and container.length < size * layout.frames:
            if layout.columns % 2 or layout.bits_allocated != 8:
                raise BadHeader(f"{layout.photometric} needs an even number of columns and 8 bits a sample")
            size = layout.pixels * 2
        elif layout.photometric == "YBR_PARTIAL_420":
            raise UnsupportedPhotometric("uncompressed YBR_PARTIAL_420 has no defined order; send it as RGB")
        if available < size * layout.frames:
            raise Truncated(
                f"{layout.frames} frames need {size * layout.frames} bytes of pixel data, the file has {available}: "
                "send the instance again"
            )
        return size

    def _native(self, n: int) -> tuple[Samples, bool]:
        layout, container = self._layout, self._container
        raw = container.data.read(container.offset + (n - 1) * self._stored_bytes, self._stored_bytes)
        if len(raw) < self._stored_bytes:
            raise Truncated(f"the file ends in frame {n}: it has become shorter since it was opened")
        if container.big_endian and layout.bits_allocated == 8 and container.vr == "OW":
            raw = np.frombuffer(raw[: len(raw) // 2 * 2], "<u2").byteswap().tobytes()
        ybr = layout.photometric in YBR
        if self._stored_bytes != layout.frame_bytes:
            return expand_422(np.frombuffer(raw, np.uint8), layout.rows, layout.columns), ybr
        order = ">" if container.big_endian else "<"
        samples = np.frombuffer(raw, f"{order}u{layout.sample_bytes}")
        samples = samples.astype(f"=u{layout.sample_bytes}", copy=False)
        if layout.samples == 1:
            return samples.reshape(layout.rows, layout.columns), False
        if layout.planar:
            return samples.reshape(3, layout.rows, layout.columns).transpose(1, 2, 0), ybr
        return samples.reshape(layout.rows, layout.columns, 3), ybr

    def _shown(self, samples: Samples, *, ybr: bool) -> Pixels:
        layout = self._layout
        if self._palette is not None:
            return self._palette(stored_values(samples, layout))
        if layout.photometric in MONOCHROME:
            return self._gray(samples)
        if layout.bits_stored != 8 or layout.bits_allocated != 8:
            top = (1 << layout.bits_stored) - 1
            samples = (stored_values(samples, layout).astype(np.float32) * (255 / top) + 0.5).astype(np.uint8)
        colours: Pixels = np.ascontiguousarray(samples.astype(np.uint8, copy=False))
        return ybr_to_rgb(colours, layout.photometric) if ybr else colours

    @cached_property
    def _gray(self) -> GrayScale:
        return GrayScale(self._container.header, self._layout, self._measured_range)

    def _measured_range(self) -> Range:
        """Least and largest stored value of the first, the middle and the last frame: the same for all frames."""
        lows, highs = [], []
        for n in sorted({1, (self._layout.frames + 1) // 2, self._layout.frames}):
            samples, _ = self._samples(n)
            values = stored_values(samples, self._layout)
            lows.append(float(values.min()))
            highs.append(float(values.max()))
        return min(lows), max(highs)


_NATIVE = frozenset(
    {
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
    }
)
