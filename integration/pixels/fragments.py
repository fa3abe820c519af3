"""Where each frame of encapsulated pixel data lies.

All items are walked once, reading only their eight-byte heads; the offset tables then only have to say which items
begin a frame, and a table that contradicts the items is not believed.

References
----------
DICOM PS3.5 A.4; PS3.3 C.7.6.3.1.8 (Extended Offset Table).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import unpack
from typing import TypeAlias

from pydicom import Dataset

from integration.pixels.container import Bytes
from integration.pixels.errors import BadHeader, Truncated

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0"
_JPEG_ENDS = (b"\xff\xd9", b"\xff\xd9\x00")  # EOI or EOC, perhaps padded to an even length


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One item: where its value starts and how long it is."""

    offset: int
    length: int


FrameFragments: TypeAlias = tuple[Fragment, ...]


def index_frames(data: Bytes, start: int, frames: int, header: Dataset) -> tuple[FrameFragments, ...]:
    """Find the fragments of each frame.

    Parameters
    ----------
    data
        The file.
    start
        Offset of the Basic Offset Table's item.
    frames
        NumberOfFrames.
    header
        For the Extended Offset Table, if there is one.

    Raises
    ------
    Truncated
        The file ends before the last frame.
    BadHeader
        The items cannot be told apart into frames.
    """
    table, items, whole = _walk(data, start)
    if not whole and len(items) != frames:
        raise Truncated(
            f"the file ends in the pixel data after {len(items)} whole fragments, {frames} frames were announced: "
            "send it again"
        )
    if len(items) < frames:
        raise Truncated(f"the pixel data hold {len(items)} fragments for {frames} frames: send the instance again")
    if len(items) == frames:
        return tuple((item,) for item in items)
    if frames == 1:
        return (tuple(items),)
    first = items[0].offset - 8
    extended = header.get("ExtendedOffsetTable")
    starts = list(unpack(f"<{len(extended) // 8}Q", extended)) if extended else table
    grouped = _by_offsets(items, [first + offset for offset in starts], frames) or _by_markers(data, items, frames)
    if grouped is None:
        raise BadHeader(
            f"{len(items)} fragments cannot be told apart into {frames} frames: the offset table (7FE0,0001 or the "
            "first item) is missing or wrong"
        )
    return grouped


def _walk(data: Bytes, start: int) -> tuple[list[int], list[Fragment], bool]:
    """Basic Offset Table, fragments that are whole, and whether the sequence is properly closed."""
    head = data.read(start, 8)
    if head[:4] != _ITEM:
        raise BadHeader(
            "the pixel data do not start with an item: the Transfer Syntax UID (0002,0010) says compressed and the "
            "bytes say otherwise"
        )
    size = int.from_bytes(head[4:8], "little")
    raw = data.read(start + 8, min(size, data.size))
    table = list(unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4]))
    place = start + 8 + size
    items: list[Fragment] = []
    while place + 8 <= data.size:
        head = data.read(place, 8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] == _DELIMITER:
            return table, items, True
        if head[:4] != _ITEM or place + 8 + length > data.size:
            return table, items, False
        items.append(Fragment(offset=place + 8, length=length))
        place += 8 + length
    # Writers that forget the delimiter at the very end lost no frame.
    return table, items, place == data.size


def _by_offsets(items: Sequence[Fragment], starts: Sequence[int], frames: int) -> tuple[FrameFragments, ...] | None:
    heads = [item.offset - 8 for item in items]
    if len(starts) != frames or starts[0] != heads[0] or any(b <= a for a, b in pairwise(starts)):
        return None
    places = [bisect_left(heads, start) for start in starts]
    if any(place >= len(heads) or heads[place] != start for place, start in zip(places, starts, strict=True)):
        return None
    ends = [*places[1:], len(items)]
    return tuple(tuple(items[a:b]) for a, b in zip(places, ends, strict=True))


def _by_markers(data: Bytes, items: Sequence[Fragment], frames: int) -> tuple[FrameFragments, ...] | None:
    """Frames end with the item that ends with an end-of-image marker."""
    grouped: list[FrameFragments] = []
    current: list[Fragment] = []
    for item in items:
        current.append(item)
        tail = data.read(item.offset + max(0, item.length - 3), min(3, item.length))
        if tail.endswith(_JPEG_ENDS):
            grouped.append(tuple(current))
            current = []
    return tuple(grouped) if len(grouped) == frames and not current else None
