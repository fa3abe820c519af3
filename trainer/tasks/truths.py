"""What is true of a picture, for each kind of task, and how it moves when the picture is moved.

A matrix here is 2 x 3 and takes pixels of a picture (x, y, centres of pixels) to pixels of a square. A mirror is such a
matrix too, so nothing here has to know of it; tasks that must not be mirrored say so in their variation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255  # in label maps; masks of the losses call it -1
UNKNOWN = -1  # an answer that nobody gave


@runtime_checkable
class Truth(Protocol):
    """The truth of one picture."""

    def moved(self, matrix: NDArray[np.float64], size: int) -> Self:
        """The truth of the square (size, size) that the matrix makes of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMap:
    """Which structure each pixel belongs to."""

    classes: NDArray[np.uint8]  # (H, W): 0 none, 1 the first structure, …, UNLABELLED

    def moved(self, matrix: NDArray[np.float64], size: int) -> LabelMap:
        """Labels of the nearest pixels; what comes in from outside the picture is no structure."""
        warped = cv2.warpAffine(self.classes, matrix, (size, size), flags=cv2.INTER_NEAREST)
        return LabelMap(classes=np.asarray(warped, dtype=np.uint8))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlined:
    """One structure's mask, and the answer to a yes-or-no question about it."""

    mask: NDArray[np.uint8]  # (H, W), 0 to 255, soft at the edge
    yes: float = float("nan")  # 1 or 0; NaN not known

    def moved(self, matrix: NDArray[np.float64], size: int) -> Outlined:
        """The mask interpolated; the answer stays."""
        warped = cv2.warpAffine(self.mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
        return Outlined(mask=np.asarray(warped, dtype=np.uint8), yes=self.yes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The number of the right answer or grade."""

    number: int  # from 0; UNKNOWN

    def moved(self, matrix: NDArray[np.float64], size: int) -> Answer:
        """An answer about the whole picture stays as it is."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The right number."""

    value: float  # in the unit of the settings

    def moved(self, matrix: NDArray[np.float64], size: int) -> Number:
        """A number that needs no scale stays as it is."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAnswer:
    """The right region and organ."""

    region: int  # from 0; UNKNOWN
    organ: int  # among the organs of all regions; UNKNOWN

    def moved(self, matrix: NDArray[np.float64], size: int) -> ViewAnswer:
        """What is seen stays what it is."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Where points are."""

    points: NDArray[np.float64]  # (points, 2), x and y, pixels; NaN not marked

    def moved(self, matrix: NDArray[np.float64], size: int) -> Points:
        """Points move with what they mark; one that leaves the square is no longer marked."""
        there = self.points @ matrix[:, :2].T + matrix[:, 2]
        outside = np.abs(there - (size - 1) / 2).max(axis=1, keepdims=True) > size / 2
        return Points(points=np.where(outside, np.nan, there))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Boxes round structures."""

    boxes: NDArray[np.float64]  # (n, 4): left, top, right, bottom, pixels
    classes: NDArray[np.int64]  # (n,)
    labelled: NDArray[np.bool_]  # (classes,): whether all structures of this class were boxed in this picture

    def moved(self, matrix: NDArray[np.float64], size: int) -> Boxes:
        """The boxes round the moved corners, cut at the square's edge; less than half of a box left is none."""
        corners = self.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
        whole = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        kept = whole.clip(-0.5, size - 0.5)
        left = np.flatnonzero(_areas(kept) >= 0.5 * _areas(whole))
        return Boxes(boxes=kept[left], classes=self.classes[left], labelled=self.labelled)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
