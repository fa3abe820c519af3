"""Pictures in which there is nothing to mark, and how much is marked in them all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.engine import Engine
from models.findings import Box, Finding, Mask
from models.packages.settings import OutlineSettings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_pictures import SegmentationSettings
from trainer.bootstrap import interval
from trainer.data.cohort import read_gray, rows
from trainer.errors import MissingData
from trainer.evaluate import Result, look
from trainer.tasks.coded import ABNORMAL
from trainer.tasks.sets import SAME_PICTURES, SETS
from trainer.tasks.spec import Example, TaskSpec
from trainer.tasks.truths import Outlined

MARKING = (OutlineSettings, SegmentationSettings, DetectionSettings)
OF_A_SET = 15  # pictures of each other set, evenly over its index
MARGIN = 0.05  # of the picture's longer edge: so far from an outline begins what is free of it
LEAST_EDGE = 96  # px, of a crop
LONGEST = 3.0  # long over short edge of a crop
FIGURE = "false marks per picture"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Negative:
    """A picture without anything that the task marks."""

    picture: NDArray[np.uint8]  # (H, W), gray
    patient: str
    source: str  # in words


def false_marks(
    engine: Engine, spec: TaskSpec, data: Path, split: str, examples: Sequence[Example]
) -> tuple[Result, ...]:
    """Masks' connected parts and boxes per picture without the structure, by source, with intervals by patient.

    Parameters
    ----------
    engine
        With the package of the task.
    spec
        The task; one that marks nothing has no false marks.
    data
        Folder of the data sets; other sets than the task's that are not there are left out.
    split
        Of the other sets.
    examples
        Of the task, to cut crops from.

    Raises
    ------
    EngineError, PackageError
        The package does not run.
    """
    if not isinstance(spec.settings, MARKING):
        return ()
    counted: dict[str, list[tuple[int, str]]] = {}
    for each in (*crops(spec, split, examples), *_normal(spec, data), *_of_other_sets(spec, data, split)):
        found = marks(look(engine, spec.name, each.picture).findings)
        counted.setdefault(each.source, []).append((found, each.patient))
    return tuple(_result(source, pairs) for source, pairs in counted.items())


def marks(findings: Sequence[Finding]) -> int:
    """How many things are marked: boxes, and connected parts of masks."""
    parts = [cv2.connectedComponents(f.to_array().astype(np.uint8))[0] - 1 for f in findings if isinstance(f, Mask)]
    return sum(parts) + sum(isinstance(finding, Box) for finding in findings)


def crops(spec: TaskSpec, split: str, examples: Sequence[Example]) -> list[Negative]:
    """The largest part above, below, left or right of each abnormal structure that was outlined, where it is large."""
    if not isinstance(spec.settings, OutlineSettings) or spec.settings.structure.category != ABNORMAL:
        return []
    out = []
    for example in examples:
        part = free_part(example.picture, example.truth.mask > 127) if isinstance(example.truth, Outlined) else None
        if part is not None:
            words = f"{example.name.split('/')[0]} {split}, crops beside the {spec.settings.structure.name}"
            out.append(Negative(picture=part, patient=example.patient, source=words))
    return out


def free_part(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """The largest rectangle at an edge of a picture (H, W) that a mask (H, W) does not reach; None where all are small.

    Rectangles below `LEAST_EDGE` pixels or longer than `LONGEST` times their width are none.
    """
    if not mask.any():
        return None
    away = round(MARGIN * max(picture.shape))
    ys, xs = np.nonzero(mask)
    top, bottom, left, right = ys.min() - away, ys.max() + 1 + away, xs.min() - away, xs.max() + 1 + away
    parts = [picture[: max(0, top)], picture[bottom:], picture[:, : max(0, left)], picture[:, right:]]
    fit = [p for p in parts if min(p.shape) >= LEAST_EDGE and max(p.shape) <= LONGEST * min(p.shape)]
    return np.ascontiguousarray(max(fit, key=lambda part: part.size)) if fit else None


def _normal(spec: TaskSpec, data: Path) -> list[Negative]:
    """What somebody found normal in sets of other sites; no task learns from these, so all splits may be asked."""
    if spec.normal is None:
        return []
    column, value = spec.normal
    return [
        _negative(data, name, row, f"{name}, {value}; never learned from, so all splits")
        for name in spec.unseen
        for split in ("train", "val", "test")
        for row in _rows(data / name, split)
        if row[column] == value
    ]


def _of_other_sets(spec: TaskSpec, data: Path, split: str) -> list[Negative]:
    out = []
    for name in SETS:
        if name in (*spec.data, *spec.kin) or name in SAME_PICTURES:
            continue
        listed = _rows(data / name, split)
        chosen = np.unique(np.linspace(0, len(listed) - 1, min(OF_A_SET, len(listed))).round().astype(int))
        out += [_negative(data, name, listed[i], f"{name} {split}") for i in chosen]
    return out


def _negative(data: Path, name: str, row: dict[str, str], source: str) -> Negative:
    return Negative(picture=read_gray(data / name / row["image"]), patient=f"{name}/{row['patient_id']}", source=source)


def _rows(folder: Path, split: str) -> list[dict[str, str]]:
    try:
        return rows(folder, split)
    except MissingData:
        return []


def _result(source: str, pairs: Sequence[tuple[int, str]]) -> Result:
    found = interval([count for count, _ in pairs], [patient for _, patient in pairs], lambda v: float(np.mean(v)))
    return Result(name=FIGURE, data=source, value=found.value, low=found.low, high=found.high, unit="", n=found.n)
