"""How well a package does on pictures that it never learned from, run as the node runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.engine import Engine, FrameInput, TaskFindings
from models.findings import Mask, NoFinding, Quantity
from models.frames import square_of
from models.packages.card import Card
from models.packages.settings import OutlineSettings
from models.readers.judging import mask_in_frame, read
from trainer.bootstrap import Interval, auc, interval
from trainer.data.cohort import COHORT_OF, read_gray, rows
from trainer.data.graphics import paint_over

Change: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One picture answered."""

    patient: str
    dice: float  # 0 where nothing was said
    drawn_dice: float  # of the outline, said or withheld
    answered: bool
    errors: dict[str, float]  # by measurement: found minus true, mm
    probability: float | None  # of cancer, 0 to 1
    malignant: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A figure with its interval."""

    name: str
    data: str
    value: float
    low: float | None
    high: float | None
    unit: str
    n: int


def look(engine: Engine, task: str, picture: NDArray[np.uint8], times: int = 1) -> TaskFindings:
    """What the engine says of one gray picture (H, W), or of so many frames that all are this picture."""
    height, width = picture.shape[:2]
    view = (0, 0, width - 1, height - 1)
    return engine.run(task, [FrameInput(pixels=picture, frame=number, view=view) for number in range(1, times + 1)])


def outline_of(card: Card) -> OutlineSettings:
    """The settings of a task that outlines.

    Raises
    ------
    TypeError
        It is of another kind.
    """
    if not isinstance(card.settings, OutlineSettings):
        raise TypeError(f"'{card.task}' is a task of kind {card.settings.kind}, not an outline")
    return card.settings


def withheld(engine: Engine, task: str, picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The outline that the gates kept back, as a mask of the gray picture (H, W)."""
    package = engine.package(task)
    height, width = picture.shape[:2]
    given = FrameInput(pixels=picture, frame=1, view=(0, 0, width - 1, height - 1))
    square, place = square_of(given, package.card.input.size)
    (raw,) = engine.look(task, [square])
    return mask_in_frame(read(raw["mask"], float(raw["scope"]), 1, place, outline_of(package.card)))


def cases(engine: Engine, task: str, folder: Path, split: str, change: Change) -> list[Case]:
    """Answer every picture of a data set's split that has an outline."""
    wanted = [row for row in rows(folder, split) if row.get("label") != "normal"]
    return [_case(engine, task, folder, row, change) for row in wanted]


def results(found: Sequence[Case], data: str) -> list[Result]:
    """The figures of answered cases, with 95 % bootstrap intervals by patient."""
    patients = [case.patient for case in found]
    drawn = [case.drawn_dice for case in found]
    out = []
    if any(case.answered for case in found):
        out.append(_result("Dice, mean of those answered", data, "", interval(*_answered(found), _mean)))
    out += [
        _result("Dice, mean of all outlines, said or withheld", data, "", interval(drawn, patients, _mean)),
        _result("Dice, mean, silence counted as 0", data, "", interval([c.dice for c in found], patients, _mean)),
        _result("Dice, median, silence counted as 0", data, "", interval([c.dice for c in found], patients, _median)),
        _result("answered", data, "%", interval([100.0 * c.answered for c in found], patients, _mean)),
    ]
    for name in sorted({name for case in found for name in case.errors}):
        measured = [case for case in found if name in case.errors]
        whose = [case.patient for case in measured]
        wrong = [case.errors[name] for case in measured]
        out.append(_result(f"{name}, mean absolute error", data, "mm", interval(np.abs(wrong), whose, _mean)))
        out.append(_result(f"{name}, mean error", data, "mm", interval(wrong, whose, _mean)))
    judged = [case for case in found if case.probability is not None and case.malignant is not None]
    if judged:
        pairs = [(case.probability or 0.0, float(case.malignant or False)) for case in judged]
        whose = [case.patient for case in judged]
        out.append(_result("AUC of the probability of cancer", data, "", interval(pairs, whose, auc)))
        out.append(_result("Brier score", data, "", interval(pairs, whose, _brier)))
    return out


def evaluate(engine: Engine, task: str, data: Path, split: str, cohort: str | None = None) -> list[Result]:
    """All in-scope figures of a task on one split, on the pictures as they are and, of breasts, painted over.

    Parameters
    ----------
    cohort
        Another data set than the task's own.
    """
    name = cohort or COHORT_OF[task]
    out = results(cases(engine, task, data / name, split, _as_it_is), f"{name} {split}")
    if task == "breast-lesion":
        painted = cases(engine, task, data / name, split, paint_over)
        out += results(painted, f"{name} {split}, burned-in marks painted over")
    return out


def _case(
    engine: Engine,
    task: str,
    folder: Path,
    row: dict[str, str],
    change: Change,
) -> Case:
    truth = read_gray(folder / row["mask"]) > 127
    picture = change(read_gray(folder / row["image"]))
    findings = look(engine, task, picture).findings
    masks = [finding.to_array() for finding in findings if isinstance(finding, Mask)]
    mask = masks[0] if masks else np.zeros_like(truth)
    values = {f.name: f for f in findings if isinstance(f, Quantity)}
    errors = {}
    if row.get("hc_mm"):
        mm = float(row["pixel_spacing_mm"])
        known = {
            "head circumference": float(row["hc_mm"]),
            "biparietal diameter": float(row["ellipse_short_axis_mm"]),
            "occipitofrontal diameter": float(row["ellipse_long_axis_mm"]),
        }
        errors = {name: values[name].value * mm - true for name, true in known.items() if name in values}
    kind = row.get("pathology") or row.get("label")
    sure = values.get("probability of cancer")
    answered = not any(isinstance(finding, NoFinding) for finding in findings)
    return Case(
        patient=row["patient_id"],
        dice=_dice(mask, truth),
        drawn_dice=_dice(mask if answered else withheld(engine, task, picture), truth),
        answered=answered,
        errors=errors,
        probability=None if sure is None else sure.value / 100,
        malignant=kind == "malignant" if kind else None,
    )


def _answered(found: Sequence[Case]) -> tuple[list[float], list[str]]:
    said = [case for case in found if case.answered]
    return [case.dice for case in said], [case.patient for case in said]


def _dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    whole = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / whole if whole else 1.0


def _as_it_is(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.mean(values))


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values))


def _brier(pairs: NDArray[np.float64]) -> float:
    return float(np.mean((pairs[:, 0] - pairs[:, 1]) ** 2))


def _result(name: str, data: str, unit: str, found: Interval) -> Result:
    return Result(name=name, data=data, value=found.value, low=found.low, high=found.high, unit=unit, n=found.n)
