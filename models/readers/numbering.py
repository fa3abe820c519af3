"""Numbers for structures of one name, so that each keeps its own through the frames of a cine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.geometry import Component
from models.geometry.outline import LEVEL
from models.readers.tracks import GAP, SAME, overlaps

View = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Known:
    number: int
    box: NDArray[np.float64]  # (4,): left, top, right, bottom, where it was seen last, pixels of the square
    look: int  # of its view


class Numbers:
    """Numbers from 1, in the order in which structures appear; a structure is known again by its place in its view."""

    def __init__(self) -> None:
        self._known: dict[View, list[_Known]] = {}
        self._looks: dict[View, int] = {}
        self._given = 0

    def of(self, view: View, parts: Sequence[Component]) -> list[int]:
        """The number of each part of the next look at a view, the largest first."""
        look = self._looks[view] = self._looks.get(view, 0) + 1
        recent = [known for known in self._known.get(view, []) if look - known.look <= GAP]
        seen = self._taken_up(parts, recent, look)
        numbers = [known.number for known in seen]
        self._known[view] = [known for known in recent if known.number not in numbers] + seen
        return numbers

    def again(self, parts: Sequence[Component], before: Sequence[Component], numbers: Sequence[int]) -> list[int]:
        """The number of each part of another look at a frame whose parts had numbers `before`."""
        known = [_Known(number=number, box=_box(part), look=0) for number, part in zip(numbers, before, strict=True)]
        return [found.number for found in self._taken_up(parts, known, 0)]

    def _taken_up(self, parts: Sequence[Component], known: Sequence[_Known], look: int) -> list[_Known]:
        free, out = list(known), []
        for part in parts:
            box = _box(part)
            shares = overlaps(box, np.stack([one.box for one in free])) if free else np.zeros(1)
            if shares.max() >= SAME:
                number = free.pop(int(shares.argmax())).number
            else:
                self._given += 1
                number = self._given
            out.append(_Known(number=number, box=box, look=look))
        return out


def _box(part: Component) -> NDArray[np.float64]:
    y, x = np.nonzero(part.likely >= LEVEL)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], float)
