"""Masks sorted into segments: one for each thing found, on the frames where it has pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """One thing found: `frames` holds its packed mask by source frame, none of them empty, `masks` what it is of."""

    number: int  # from 1
    first: Mask  # for name and codes
    frames: dict[int, NDArray[np.uint8]]
    masks: dict[int, list[Mask]]

    @property
    def fractional(self) -> bool:
        """Whether the probability of every pixel is known."""
        return all(mask.likely is not None for masks in self.masks.values() for mask in masks)

    def probabilities(self, frame: int) -> NDArray[np.uint8]:
        """Of the pixels of a frame, (rows, columns), 255 for 1; of a fractional segment."""
        known = [found for mask in self.masks[frame] if (found := mask.probabilities()) is not None]
        joined: NDArray[np.uint8] = np.maximum.reduce(known)
        return joined


def segments_of(findings: Sequence[Finding]) -> tuple[Segment, ...]:
    """The segments of all masks that have a pixel, in the order in which they come.

    Masks of one group on one frame are joined.
    """
    firsts: dict[str, Mask] = {}
    frames: dict[str, dict[int, NDArray[np.uint8]]] = {}
    masks: dict[str, dict[int, list[Mask]]] = {}
    for mask in findings:
        packed = mask.packed if isinstance(mask, Mask) else None
        if not isinstance(mask, Mask) or packed is None or not packed.any():
            continue
        firsts.setdefault(mask.group, mask)
        by_frame = frames.setdefault(mask.group, {})
        before = by_frame.get(mask.frame)
        by_frame[mask.frame] = packed if before is None else before | packed
        masks.setdefault(mask.group, {}).setdefault(mask.frame, []).append(mask)
    return tuple(
        Segment(number=number, first=first, frames=dict(sorted(frames[group].items())), masks=masks[group])
        for number, (group, first) in enumerate(firsts.items(), 1)
    )


def overlap(segments: Sequence[Segment]) -> bool:
    """Whether any pixel belongs to two segments."""
    seen: dict[int, NDArray[np.uint8]] = {}
    for segment in segments:
        for frame, packed in segment.frames.items():
            before = seen.get(frame)
            if before is not None and np.any(before & packed):
                return True
            seen[frame] = packed if before is None else before | packed
    return False


def bounding_points(segments: Sequence[Segment], rows: int, columns: int) -> tuple[tuple[float, float], ...]:
    """The four corners of the rectangle round all pixels of all segments, as (x, y)."""
    together = np.zeros((rows * columns + 7) // 8, np.uint8)
    for segment in segments:
        for packed in segment.frames.values():
            together |= packed
    mask = np.unpackbits(together, count=rows * columns).reshape(rows, columns)
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right, top, bottom = float(xs[0]), float(xs[-1]), float(ys[0]), float(ys[-1])
    return ((left, top), (right, top), (right, bottom), (left, bottom))
