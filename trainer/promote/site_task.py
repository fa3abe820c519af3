"""A task on a site's own pictures: what is learned from, validated and measured with, and what is out of scope."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.packages.card import DataSet
from models.packages.licences import use_of_licence
from models.packages.parts import CodeOnCard, Structure
from models.packages.settings import OutlineSettings, Question, Settings
from models.packages.settings_pictures import SegmentationSettings
from models.preprocess import letterbox
from trainer.adapting.pool import Pool, Shown, kept, outsiders, pictures_of
from trainer.adapting.silence import ASKED_OF_A_SET
from trainer.adapting.subgroups import sized
from trainer.data.cohort import CACHE_SIZE
from trainer.data.dicom_folder import OWN
from trainer.data.synthetic import nonsense
from trainer.errors import MissingData
from trainer.promote.errors import NoLabels
from trainer.tasks.sets import SETS
from trainer.tasks.spec import SOURCE, Example, Row, TaskSpec
from trainer.tasks.truths import UNLABELLED, LabelMap, Outlined, Truth

INDEX: Final = "index.csv"
NONSENSE: Final = (60, 900_002)  # pictures made here that no training and no gate has seen, and their seed
TITLE: Final = "patients of this site"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSpec(TaskSpec):
    """A task whose pictures are a site's; of public sets it may learn as well, but is never measured on them."""

    base: TaskSpec
    cohort: Path  # image folder of the site

    def examples(self, data: Path, split: str) -> list[Example]:
        """The site's examples of a split; of train and val also those of the task's own sets, where they are there.

        Raises
        ------
        NoLabels
            The cohort has none in this split.
        """
        try:
            # Named in full: slots make the class anew, and `super()` without arguments would look for the old one.
            found = TaskSpec.examples(self, self.cohort.parent, split)
        except MissingData as fault:
            raise NoLabels(
                f"the cohort {self.cohort} has no labelled picture for '{self.name}' in the split '{split}': gather"
                f" more, or outline more pictures ({fault})"
            ) from fault
        if split == "test":
            return found
        try:
            return found + self.base.examples(data, split)
        except MissingData:
            return found


def site_spec(base: TaskSpec, cohort: Path) -> SiteSpec:
    """A task on the image folder of a site.

    Labels are outlines and coded answers (columns `mask`, `structures` and `answers`, as `echocare-train cohort` writes
    them) where the folder has them, and else those of the task's own data set.

    Raises
    ------
    NoLabels
        The folder has no index, or its outlines are nothing that the task knows.
    """
    index = cohort / INDEX
    try:
        with index.open(newline="", encoding="utf-8") as file:
            columns = csv.DictReader(file).fieldnames or []
    except OSError as fault:
        raise NoLabels(f"there is no {index}: gather a cohort first") from fault
    outlined = "structures" in columns
    if outlined and not isinstance(base.settings, SegmentationSettings | OutlineSettings):
        raise NoLabels(
            f"outlines of an archive are no labels for '{base.name}' (kind '{base.settings.kind}'): name a folder that"
            " is labelled as the task's own data set is, in cohort.folder"
        )

    def truth(folder: Path, name: str, row: Row) -> Truth | None:
        return outlines(folder, row, base.settings) if outlined else base.truth(folder, base.data[0], row)

    own = {each.name: getattr(base, each.name) for each in fields(TaskSpec)}
    return SiteSpec(
        **{**own, "data": (cohort.name,), "truth": truth, "kin": base.data + base.kin, "unseen": (), "phantoms": None},
        base=base,
        cohort=cohort,
    )


def outlines(folder: Path, row: Row, settings: Settings) -> Truth | None:
    """What people outlined on one picture of a cohort; None where nothing of it belongs to the task.

    Structures are matched by the meaning of their coded property type, whatever its case.

    Raises
    ------
    NoLabels
        The mask is not there or is no picture of one channel.
    """
    if not row.get("mask"):
        return None
    values = {name.casefold(): int(value) for value, name in json.loads(row["structures"]).items()}
    asked = [settings.structure] if isinstance(settings, OutlineSettings) else _structures(settings)
    here = [values.get(each.type.meaning.casefold()) for each in asked]
    if not any(here):
        return None
    raw = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 2:
        raise NoLabels(f"{folder / row['mask']} is not there or is no mask of one channel: gather the cohort again")
    if isinstance(settings, OutlineSettings):
        return Outlined(mask=np.asarray((raw == here[0]) * 255, dtype=np.uint8), yes=_answered(row, settings.question))
    table = np.full(256, UNLABELLED, np.uint8)
    table[0] = 0
    for number, value in enumerate(here, 1):
        if value is not None:
            table[value] = number
    return LabelMap(classes=table[raw])


def site_pool(spec: SiteSpec, data: Path) -> Pool:
    """What is learned from and validated with.

    Raises
    ------
    NoLabels
        The cohort has no labelled picture in train or val, or a question of the task is answered on none.
    """
    train, val = spec.examples(data, "train"), spec.examples(data, "val")
    for split, examples in (("train", train), ("val", val)):
        _check_answers(spec, split, examples)
    others = outsiders(spec, data, "train")
    named = [name for name, _ in others if name]
    return Pool(
        train=tuple(kept(example, painted=spec.painted) for example in train),
        val=tuple(kept(example) for example in val),
        outsiders=tuple(Shown(square=letterbox(picture, CACHE_SIZE)[0], truth=None) for _, picture in others),
        data=(
            *_learned(spec, train),
            *(_set(name, "out of scope", named.count(name), None) for name in dict.fromkeys(named)),
        ),
    )


def groups_of(spec: SiteSpec, examples: Sequence[Example]) -> dict[str, list[int]]:
    """Places of the examples that share a trait: device, size of what is looked for, and what else the index tells.

    A trait that all share makes no group.
    """
    told = sized(spec, spec.cohort.parent, examples)
    groups: dict[str, list[int]] = {}
    for trait in dict.fromkeys(trait for example in told for trait in example.traits if trait != SOURCE):
        values = sorted({example.traits[trait] for example in told if trait in example.traits})
        if len(values) > 1:
            for value in values:
                groups[f"{trait}: {value}"] = [i for i, each in enumerate(told) if each.traits.get(trait) == value]
    return groups


def foreign_pictures(spec: SiteSpec, data: Path) -> list[NDArray[np.uint8]]:
    """Pictures (H, W) out of scope: test pictures of other public sets that are there, and some made here."""
    sets = [name for name in SETS if name not in spec.kin]
    rng = np.random.default_rng(NONSENSE[1])
    made = [nonsense(rng).image for _ in range(NONSENSE[0])]
    return [each for name in sets for each in pictures_of(data / name, "test", ASKED_OF_A_SET)] + made


def cohort_digest(folder: Path) -> str:
    """One digest over an image folder: its index and every file that the index names.

    Raises
    ------
    NoLabels
        The index, or a file that it names, is not there.
    """
    whole = hashlib.sha256()
    try:
        index = (folder / INDEX).read_bytes()
        whole.update(hashlib.sha256(index).digest())
        for row in csv.DictReader(index.decode("utf-8").splitlines()):
            for column in ("image", "mask"):
                if row.get(column):
                    whole.update(hashlib.sha256((folder / row[column]).read_bytes()).digest())
    except (OSError, UnicodeDecodeError) as fault:
        raise NoLabels(f"the cohort {folder} is not whole: {fault}") from fault
    return "sha256:" + whole.hexdigest()


def _answered(row: Row, question: Question | None) -> float:
    """1 or 0 as somebody answered the question in a report; NaN where nobody did."""
    if question is None:
        return math.nan
    said = json.loads(row.get("answers") or "{}").get(_word(question.code))
    return {_word(question.yes): 1.0, _word(question.no): 0.0}.get(said, math.nan)


def _word(code: CodeOnCard) -> str:
    return f"{code.scheme}:{code.value}"


def _check_answers(spec: SiteSpec, split: str, examples: Sequence[Example]) -> None:
    """Without answers a question would be learned from nothing, and its probability would be one of chance."""
    question = spec.settings.question if isinstance(spec.settings, OutlineSettings) else None
    if question is None or {0.0, 1.0} <= {each.truth.yes for each in examples if isinstance(each.truth, Outlined)}:
        return
    yes, no, concept = question.yes, question.no, question.code
    raise NoLabels(
        f"the question '{question.name}' of '{spec.name}' is not answered both ways on the pictures of the split"
        f" '{split}': send back reports, verified or by a person, that say {concept.meaning} ({_word(concept)}) is"
        f" {yes.meaning} ({_word(yes)}) or {no.meaning} ({_word(no)}); or name in adapt.data a folder that holds"
        f" {', '.join(spec.base.data)}"
    )


def _structures(settings: Settings) -> list[Structure]:
    return [each.structure for each in settings.structures] if isinstance(settings, SegmentationSettings) else []


def _learned(spec: SiteSpec, train: Sequence[Example]) -> list[DataSet]:
    patients: dict[str, list[str]] = {}
    for example in train:
        patients.setdefault(example.name.split("/")[0], []).append(example.patient)
    return [_set(name, "in scope", len(whose), len(set(whose)), spec) for name, whose in patients.items()]


def _set(name: str, role: str, pictures: int, patients: int | None, spec: SiteSpec | None = None) -> DataSet:
    own = spec is not None and name == spec.cohort.name
    title, licence = (TITLE, _licence(spec)) if own and spec is not None else (SETS[name].title, SETS[name].licence)
    return DataSet(
        name=title, role=role, licence=licence, pictures=pictures, patients=patients, use=use_of_licence(licence)
    )


def _licence(spec: SiteSpec) -> str:
    with (spec.cohort / INDEX).open(newline="", encoding="utf-8") as file:
        words: list[Mapping[str, str]] = list(csv.DictReader(file))
    return "; ".join(dict.fromkeys(row.get("licence") or OWN for row in words))
