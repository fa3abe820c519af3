"""All that an adaptation may show: examples of the task, and pictures that are none of its business."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.packages.card import DataSet
from models.packages.licences import use_of_licence
from models.preprocess import letterbox
from trainer.data.cohort import CACHE_SIZE, read_gray, rows
from trainer.data.graphics import paint_over
from trainer.data.synthetic import nonsense
from trainer.errors import MissingData
from trainer.tasks.sets import SETS
from trainer.tasks.spec import Example, TaskSpec
from trainer.tasks.truths import Answer, Truth, ViewAnswer

OUTSIDERS = ("hc18", "bus_bra", "carotid_cca", "usgra_seg", "timtrack_muscle", "aul_liver")  # permissive licences only
OF_A_SET = {"train": 24, "val": 12}  # outsiders of each set that are taken, evenly over its index
BY_PATIENT = 7  # beside the seed, where patients are drawn
NONSENSE = {"train": (48, 31), "val": (24, 32), "test": (100, 900_001)}  # pictures made here, and their seed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A picture, or several that belong together, as they are kept in memory."""

    square: NDArray[np.uint8]  # (CACHE_SIZE, CACHE_SIZE), letterboxed
    truth: Truth | None  # in pixels of the square; None: out of scope
    others: tuple[NDArray[np.uint8], ...] = ()  # squares of the pictures that belong to it
    painted: NDArray[np.uint8] | None = None  # the square with burned-in graphics painted over


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """What is learned from and what it is validated with."""

    train: tuple[Shown, ...]
    val: tuple[Shown, ...]
    outsiders: tuple[Shown, ...]
    data: tuple[DataSet, ...]  # as the card names what was learned from


def gather(spec: TaskSpec, data: Path, shots: int | None, seed: int, share: float | None = None) -> Pool:
    """Read a task's examples, of the training ones those that `few` chooses, and outsiders.

    Raises
    ------
    MissingData
        A data set of the task is not there. Sets of outsiders that are not there are left out.
    """
    chosen = few(spec.examples(data, "train"), shots, seed, share)
    others = outsiders(spec, data, "train")
    return Pool(
        train=tuple(kept(example, painted=spec.painted) for example in chosen),
        val=tuple(kept(example) for example in spec.examples(data, "val")),
        outsiders=tuple(Shown(square=letterbox(p, CACHE_SIZE)[0], truth=None) for _, p in others),
        data=(*_data_sets(chosen, "in scope"), *_foreign_sets(name for name, _ in others)),
    )


def kept(example: Example, *, painted: bool = False) -> Shown:
    """An example as it is kept in memory, its truth moved along; with the picture painted over, where that is asked."""
    square, box = letterbox(example.picture, CACHE_SIZE)
    others = tuple(letterbox(picture, CACHE_SIZE)[0] for picture in example.others)
    clean = letterbox(paint_over(example.picture), CACHE_SIZE)[0] if painted else None
    return Shown(square=square, truth=example.truth.moved(box.matrix(), CACHE_SIZE), others=others, painted=clean)


def few(examples: Sequence[Example], shots: int | None, seed: int, share: float | None = None) -> list[Example]:
    """Some examples: so many of each answer, of as many patients as there are; or all of some patients.

    Parameters
    ----------
    shots
        How many, of each answer where there are answers; None: all.
    share
        Of the patients, 0 to 1; of those of each answer, and of each answer at least one. None: all. The patients of a
        smaller share are among those of a larger one with the same seed. `shots` is not looked at beside it.
    """
    if share is not None:
        return _of_patients(examples, share, seed)
    if shots is None:
        return list(examples)
    order = np.random.default_rng([seed, shots]).permutation(len(examples))
    taken: dict[object, list[Example]] = {}
    for example in _patients_in_turn([examples[i] for i in order]):
        mine = taken.setdefault(_stratum(example.truth), [])
        if len(mine) < shots:
            mine.append(example)
    return [example for mine in taken.values() for example in mine]


def outsiders(
    spec: TaskSpec, data: Path, split: str, sets: Sequence[str] = OUTSIDERS
) -> list[tuple[str, NDArray[np.uint8]]]:
    """Pictures (H, W) that a task should not answer, with the name of their set; made ones are of the set ""."""
    found = [
        (name, picture)
        for name in sets
        if name not in (*spec.data, *spec.kin)
        for picture in pictures_of(data / name, split, OF_A_SET[split])
    ]
    return [*found, *(("", picture) for picture in made(split))]


def made(split: str) -> list[NDArray[np.uint8]]:
    """Pictures made here of what is no ultrasound, others in each split."""
    count, seed = NONSENSE[split]
    rng = np.random.default_rng(seed)
    return [nonsense(rng).image for _ in range(count)]


def pictures_of(folder: Path, split: str, most: int) -> list[NDArray[np.uint8]]:
    """At most so many pictures of a set's split, evenly over its index; none where the set is not there."""
    try:
        listed = rows(folder, split)
    except MissingData:
        return []
    chosen = np.unique(np.linspace(0, len(listed) - 1, min(most, len(listed))).round().astype(int))
    return [read_gray(folder / listed[i]["image"]) for i in chosen]


def _of_patients(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    strata: dict[object, list[str]] = {}
    for patient, stratum in _answers_of_patients(examples).items():
        strata.setdefault(stratum, []).append(patient)
    rng = np.random.default_rng([seed, BY_PATIENT])
    taken: set[str] = set()
    for patients in strata.values():
        order = rng.permutation(len(patients))
        taken |= {patients[i] for i in order[: max(1, round(share * len(patients)))]}
    return [example for example in examples if example.patient in taken]


def _answers_of_patients(examples: Sequence[Example]) -> dict[str, object]:
    """The most frequent answer of each patient, of equally frequent ones the first."""
    found: dict[str, list[object]] = {}
    for example in examples:
        found.setdefault(example.patient, []).append(_stratum(example.truth))
    return {patient: max(answers, key=answers.count) for patient, answers in found.items()}


def _patients_in_turn(examples: Iterable[Example]) -> list[Example]:
    """First one example of each patient, then their second ones, …."""
    seen: dict[str, int] = {}
    ranked = []
    for example in examples:
        seen[example.patient] = seen.get(example.patient, 0) + 1
        ranked.append((seen[example.patient], example))
    return [example for _, example in sorted(ranked, key=lambda pair: pair[0])]


def _stratum(truth: Truth) -> object:
    if isinstance(truth, Answer):
        return truth.number
    return (truth.region, truth.organ) if isinstance(truth, ViewAnswer) else None


def _data_sets(examples: Sequence[Example], role: str) -> list[DataSet]:
    patients: dict[str, list[str]] = {}
    for example in examples:
        patients.setdefault(example.name.split("/")[0], []).extend([example.patient] * len(example.pictures))
    return [_data_set(name, role, len(all_), len(set(all_))) for name, all_ in patients.items()]


def _foreign_sets(names: Iterable[str]) -> list[DataSet]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return [
        DataSet(name="noise, text, shapes, empty frames", role="out of scope", licence="this repository's", pictures=n)
        if not name
        else _data_set(name, "out of scope", n, None)
        for name, n in counts.items()
    ]


def _data_set(name: str, role: str, pictures: int, patients: int | None) -> DataSet:
    words = SETS[name]
    return DataSet(
        name=words.title,
        role=role,
        licence=words.licence,
        pictures=pictures,
        patients=patients,
        use=use_of_licence(words.licence),
    )
