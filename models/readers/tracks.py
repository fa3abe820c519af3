"""Boxes of a cine that are the same thing seen again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SAME = 0.3  # least overlap of a thing's box with its last one
GAP = 8  # frames for which a thing may be out of sight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxed:
    """One box in one frame."""

    kind: int  # number of the class
    score: float
    box: NDArray[np.float64]  # (4,): left, top, right, bottom, pixels of the frame
    frame: int  # 1-based
    view: tuple[int, int, int, int]


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One thing through the frames; at least one box."""

    boxes: list[Boxed] = field(default_factory=list)


def overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with each of others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = float(np.prod(box[2:] - box[:2])) + areas - shared
    share: NDArray[np.float64] = np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)
    return share


def strongest(candidates: Sequence[Boxed], overlap: float) -> list[Boxed]:
    """Candidates of one picture by falling score, without those that a stronger one of their class overlaps more."""
    kept: list[Boxed] = []
    for one in sorted(candidates, key=lambda c: -c.score):
        same = [other.box for other in kept if other.kind == one.kind]
        if not same or float(overlaps(one.box, np.stack(same)).max()) <= overlap:
            kept.append(one)
    return kept


class Tracks:
    """Things found so far; each box of a new frame goes on with the nearest of them, or begins one."""

    def __init__(self) -> None:
        self.all: list[Track] = []

    def add(self, boxes: Sequence[Boxed]) -> None:
        """The boxes of one view of one frame, the strongest first."""
        free = set(range(len(self.all)))
        for one in boxes:
            number = self._nearest(one, free)
            if number is None:
                self.all.append(Track(boxes=[one]))
            else:
                free.remove(number)
                self.all[number].boxes.append(one)

    def _nearest(self, one: Boxed, free: set[int]) -> int | None:
        best: tuple[float, int | None] = (SAME, None)
        for number in sorted(free):
            last = self.all[number].boxes[-1]
            if (last.kind, last.view) != (one.kind, one.view) or one.frame - last.frame > GAP:
                continue
            share = float(overlaps(one.box, last.box[None])[0])
            if share > best[0]:
                best = (share, number)
        return best[1]
