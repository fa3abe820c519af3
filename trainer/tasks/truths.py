"""What is true of a picture, for each kind of task, and how it moves when the picture is moved.

A matrix here is 2 x 3 and takes pixels of a picture (x, y, centres of pixels) to pixels of a square. A mirror is such a
matrix too, so nothing here has to know of it; tasks that must not be mirrored say so in their variation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.degrade import Damage

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
    lengths_mm: Mapping[str, float] = field(default_factory=dict)  # by the name of the measurement, as far as known

    def moved(self, matrix: NDArray[np.float64], size: int) -> Outlined:
        """The mask interpolated; the answer and the lengths, which are of the body, stay."""
        warped = cv2.warpAffine(self.mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
        return replace(self, mask=np.asarray(warped, dtype=np.uint8))


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clean:
    """The undamaged picture, the one that is shown in its place, and what was done to it."""

    picture: NDArray[np.uint8]  # (H, W)
    given: NDArray[np.uint8]  # (H, W)
    inside: NDArray[np.uint8]  # (H, W): 255 in the picture, 0 in the margin of a square
    damage: Damage

    def moved(self, matrix: NDArray[np.float64], size: int) -> Clean:
        """Both pictures move alike; they shrink as `models.preprocess.letterbox` shrinks."""
        picture, given = (_shrunk(each, matrix, size) for each in (self.picture, self.given))
        inside = cv2.warpAffine(self.inside, matrix, (size, size), flags=cv2.INTER_NEAREST)
        return Clean(picture=picture, given=given, inside=np.asarray(inside, dtype=np.uint8), damage=self.damage)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """Which statements of a report hold."""

    holds: NDArray[np.float64]  # (statements of the card,): 1 holds, 0 not, NaN not known
    wording: int = 0  # which way of saying each of them is taken as written, from 0

    def moved(self, matrix: NDArray[np.float64], size: int) -> Findings:
        """What is stated of the whole picture stays as it is."""
        return self


def undamaged(picture: NDArray[np.uint8]) -> Clean:
    """A picture (H, W) that is shown as it is."""
    return Clean(picture=picture, given=picture, inside=np.full_like(picture, 255), damage=Damage())


def _shrunk(picture: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Warp a picture; one that becomes smaller is averaged first, so that its grain does not alias."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    way = matrix
    if scale < 1:
        height, width = picture.shape
        wide, tall = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        across, down = width / wide, height / tall
        way = matrix @ np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    warped = cv2.warpAffine(picture, way, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.uint8)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
