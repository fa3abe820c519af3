"""What a task is: everything about it that is not how it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from integration.phantom import Scene
from models.packages.settings import Settings
from trainer.data.cohort import read_gray, rows
from trainer.errors import MissingData
from trainer.tasks.bars import Bar
from trainer.tasks.truths import Truth
from trainer.tasks.twins import LEAKING, twins

Row: TypeAlias = Mapping[str, str]
SOURCE = "data set"  # the trait that every example has
MARKS = "burned-in marks"  # the trait of pictures in which they are painted over
# columns of index files that tell pictures apart, and what they are called where figures of groups are told
TRAITS = {
    "device": "device",
    "quality": "image quality",
    "view": "view",
    "phase": "phase",
    "probe": "probe",
    "birads": "BI-RADS",
    "tirads": "TI-RADS",
    "source_kind": "kind of source",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How far pictures of a task may be moved each time they are shown."""

    turn_deg: float = 15.0  # at most, either way
    mirrored: bool = True  # whether left and right may change places
    drawn: float = 0.3  # chance that false calipers and text are drawn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One picture, or several that belong together, and what is true of it."""

    name: str  # of the set and the picture, "carotid_cca/cca_174810_1069"
    picture: NDArray[np.uint8]  # (H, W), gray
    truth: Truth  # in pixels of the picture
    patient: str  # no patient of another set has this key
    mm_per_pixel: float | None = None
    traits: Mapping[str, str] = field(default_factory=dict)  # what tells pictures apart: device, data set, …
    others: tuple[NDArray[np.uint8], ...] = ()  # further pictures (H, W) of the same view, gray, in order of time

    @property
    def pictures(self) -> tuple[NDArray[np.uint8], ...]:
        """All of them, the first one first."""
        return (self.picture, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task."""

    name: str
    title: str
    intended_use: str
    words: str  # which pictures it is for
    not_for: str
    size: int  # edge of the network's square, px
    settings: Settings  # with open gates and without calibration
    data: tuple[str, ...]  # folders of its data sets, keys of `sets.SETS`
    kin: tuple[str, ...] = ()  # other sets that may show the same things, so that they are no outsiders
    unseen: tuple[str, ...] = ()  # sets of other sites, never learned from, on which it is measured too
    normal: tuple[str, str] | None = None  # column and value by which their rows say that there is nothing to mark
    painted: bool = False  # learned, calibrated and measured with burned-in marks painted over as well
    phantoms: Callable[[int], Scene] | None = None  # by seed: of known size, on which it is measured too
    headline: tuple[str, ...]  # the figures that stand for the task where there is room for few
    bars: tuple[Bar, ...] = ()  # what test pictures have to show, or its packages are trials
    # The folder of a set, its name and a row of its index to the truth; None: the row is not for this task.
    truth: Callable[[Path, str, Row], Truth | None]
    # A row that has a truth, and all rows of its split, to the rows whose pictures belong to the same example.
    beside: Callable[[Row, Sequence[Row]], Sequence[Row]] | None = None
    variation: Variation = Variation()
    limits: tuple[str, ...] = ()
    baseline: str = ""  # how another network did on the same test pictures, where that was measured elsewhere

    def examples(self, data: Path, split: str) -> list[Example]:
        """All examples of a split, in the order of the index files.

        Parameters
        ----------
        data
            Folder that holds the data sets.
        split
            train, val or test.

        Raises
        ------
        MissingData
            A set is not there, or no row of it is for this task.
        """
        found = [example for name in self.data for example in self.examples_of(name, data, split)]
        if not found:
            raise MissingData(f"no picture in {', '.join(self.data)} is for '{self.name}' in the split '{split}'")
        return found

    def examples_of(self, name: str, data: Path, split: str) -> list[Example]:
        """The examples of one set, its own or of another site; raises as `examples` where the set is not there."""
        folder, found = data / name, []
        doubled = twins(folder, split) if name in LEAKING else frozenset()
        listed = rows(folder, split)
        for row in listed:
            truth = self.truth(folder, name, row)
            if truth is None or row["id"] in doubled:
                continue
            others = [] if self.beside is None else list(self.beside(row, listed))
            found.append(
                Example(
                    name=f"{name}/{row['id']}",
                    picture=read_gray(folder / row["image"]),
                    truth=truth,
                    patient=f"{name}/{row['patient_id']}",
                    mm_per_pixel=float(row["pixel_spacing_mm"]) if row.get("pixel_spacing_mm") else None,
                    traits={SOURCE: name, **_shared(traits_of(each) for each in (row, *others))},
                    others=tuple(read_gray(folder / each["image"]) for each in others),
                )
            )
        return found


def traits_of(row: Row) -> dict[str, str]:
    """What a row of an index file says that tells pictures apart; an empty cell is not known."""
    return {trait: row[column] for column, trait in TRAITS.items() if row.get(column)}


def _shared(traits: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What is the same in all of them."""
    first, *others = traits
    return {trait: value for trait, value in first.items() if all(other.get(trait) == value for other in others)}
