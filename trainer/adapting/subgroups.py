"""Figures of parts of the pictures: by device, data set, size of what is looked for, and whatever else is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.packages.settings import Settings
from models.packages.settings_pictures import SegmentationSettings
from trainer.adapting.case import Case
from trainer.adapting.measuring import results_of
from trainer.errors import MissingData
from trainer.evaluate import Result
from trainer.tasks.coded import ABNORMAL
from trainer.tasks.spec import Example, TaskSpec
from trainer.tasks.truths import UNLABELLED, Boxes, LabelMap, Outlined

LEAST_PATIENTS = 5  # fewer are told, but marked: their interval says little
FEW = 4  # figures of a group where there is room for few
SIZE = "size"  # the trait that `sized` adds


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupResult:
    """The figures of the pictures that share one trait."""

    trait: str  # "device"
    value: str  # "GE Logiq 5"
    patients: int
    pictures: int
    figures: tuple[Result, ...]  # those of the whole, as far as these pictures allow them

    @property
    def too_small(self) -> bool:
        """Whether there are too few patients to conclude anything."""
        return self.patients < LEAST_PATIENTS


def subgroups(cases: Sequence[Case], settings: Settings, data: str = "") -> tuple[SubgroupResult, ...]:
    """The figures of each group of cases that share a trait; a trait that all cases share makes no group.

    Parameters
    ----------
    cases
        Judged, of one package; groups are made by `asked.example.traits`.
    settings
        Of the package's card.
    data
        Words for the pictures, for the results.

    Returns
    -------
    tuple
        By trait, in the order in which traits come up, then by value. Cases of which a trait is not known are in none
        of its groups.

    Raises
    ------
    NoLesson
        Tasks of this kind are not measured.
    """
    out = []
    for trait in dict.fromkeys(trait for case in cases for trait in case.asked.example.traits):
        groups: dict[str, list[Case]] = {}
        for case in cases:
            if trait in case.asked.example.traits:
                groups.setdefault(case.asked.example.traits[trait], []).append(case)
        if len(groups) > 1:
            out += [_group(trait, value, groups[value], settings, data) for value in sorted(groups)]
    return tuple(out)


def headlines(figures: Sequence[Result], names: Sequence[str]) -> list[Result]:
    """The figures of some names, or the first few where there are none of these names."""
    chosen = [each for each in figures if each.name in names]
    return chosen or [each for each in figures if each.name != "answered"][:FEW]


def counted(group: SubgroupResult) -> str:
    """How many patients a group has, and whether that is too few."""
    return f"{group.patients}, too few" if group.too_small else str(group.patients)


def sized(spec: TaskSpec, data: Path, examples: Sequence[Example]) -> list[Example]:
    """Examples with the trait `SIZE`: in which third, of those of the train split, the share of the picture lies.

    Examples of tasks that outline nothing, and all where the train split is not there, stay as they are.

    Raises
    ------
    MissingData
        A mask is not there.
    """
    if all(share_of(example, spec.settings) is None for example in examples):
        return list(examples)
    try:
        learned = spec.examples(data, "train")
    except MissingData:
        return list(examples)
    shares = [share for each in learned if (share := share_of(each, spec.settings))]
    if not shares:
        return list(examples)
    low, high = (float(edge) for edge in np.quantile(shares, [1 / 3, 2 / 3]))
    return [_sized(example, share_of(example, spec.settings), low, high) for example in examples]


def share_of(example: Example, settings: Settings) -> float | None:
    """Share of the picture that what is looked for takes, 0 to 1; None where the truth outlines nothing.

    Where a task knows normal and abnormal structures, the abnormal ones count; of boxes, their mean.
    """
    truth = example.truth
    if isinstance(truth, Outlined):
        return float((truth.mask > 127).mean())
    if isinstance(truth, LabelMap):
        return float(np.isin(truth.classes, _looked_for(truth, settings)).mean())
    if isinstance(truth, Boxes):
        areas = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(axis=1)
        return float(areas.mean()) / example.picture.size if len(areas) else 0.0
    return None


def _looked_for(truth: LabelMap, settings: Settings) -> list[int]:
    abnormal = []
    if isinstance(settings, SegmentationSettings):
        abnormal = [n for n, each in enumerate(settings.structures, 1) if each.structure.category == ABNORMAL]
    return abnormal or [int(n) for n in np.unique(truth.classes) if n not in (0, UNLABELLED)]


def _sized(example: Example, share: float | None, low: float, high: float) -> Example:
    if share is None:
        return example
    if not share:
        words = "none there"
    elif share <= low:
        words = f"small, up to {low:.2%} of the picture"
    elif share < high:
        words = f"middle, {low:.2%} to {high:.2%}"
    else:
        words = f"large, from {high:.2%}"
    return replace(example, traits={**example.traits, SIZE: words})


def _group(trait: str, value: str, cases: Sequence[Case], settings: Settings, data: str) -> SubgroupResult:
    return SubgroupResult(
        trait=trait,
        value=value,
        patients=len({case.asked.example.patient for case in cases}),
        pictures=len(cases),
        figures=tuple(each for each in results_of(cases, settings, data) if np.isfinite(each.value)),
    )
