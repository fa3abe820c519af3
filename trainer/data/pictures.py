"""What every source of pictures gives: items to read, and the cleaned pictures in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainer.catalogue.data_sets import Shown

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, inclusive px of a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file to read. `name`, `patient` and `state` may identify somebody: they never leave the process."""

    name: str  # unique in its source
    patient: str  # key of the patient or group
    split: str
    state: str  # size and time of the file, or whatever else tells that it has become another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to the pixels."""

    box: Box | None = None  # that was kept of the frame; None: all
    painted_px: int = 0  # pixels blackened beside the scanned area or filled in where text or calipers were
    painted: tuple[Box, ...] = ()  # where among them something could be seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture without anything that identifies."""

    image: NDArray[np.uint8]  # (H, W), gray
    shown: Shown
    licence: str
    frame: int = 1  # from 1, of the item
    view: int = 1  # from 1, of the frame
    mask: NDArray[np.uint8] | None = None  # (H, W), values as in `structures`
    structures: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    mm_per_pixel: tuple[float, float] | None = None  # along x and y; None: not known
    change: Change = Change()
    removed: tuple[str, ...] = ()  # attributes of the source that were left behind, by name and without values
    replaced: tuple[str, ...] = ()  # those of them that have a pseudonym in their place


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that gives no picture, and why; the reason names nobody."""

    reason: str
    frame: int = 0  # 0: the whole item


class Source(Protocol):
    """A place that pictures come from."""

    @property
    def name(self) -> str:
        """Short word for keys and counts; says nothing of a patient."""

    def items(self) -> Iterator[Item | LeftOut]:
        """What there is to read, in any order."""

    def pictures(self, item: Item) -> Iterator[Picture | LeftOut]:
        """The pictures of one item."""
