"""Gates, calibration and operating point, chosen on validation pictures only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.engine import Engine, FrameInput
from models.frames import square_of
from models.packages.card import Card
from models.packages.package import TaskPackage
from models.packages.settings import Gates, OutlineSettings, Question
from models.readers.judging import Reading, mask_in_frame, read
from trainer.data.cohort import COHORT_OF, OUTSIDERS, read_gray, rows
from trainer.data.graphics import paint_over
from trainer.errors import LearnedTooLittle
from trainer.evaluate import outline_of

GOOD_DICE = {"fetal-head": 0.9, "breast-lesion": 0.6}
LOST = 0.01  # share of well outlined validation pictures that one gate may refuse
SENSITIVITY = 0.90
RIDGE = 0.5  # holds the calibration near 1 and 0, as if half a picture said so


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """A validation picture and what the network said of it."""

    reading: Reading
    logit: float | None
    dice: float
    malignant: float | None


def calibrated(package: TaskPackage, data: Path) -> Card:
    """The package's card with gates, temperature and threshold from the validation split.

    Raises
    ------
    LearnedTooLittle
        None of the task's validation pictures is outlined well.
    """
    card, settings = package.card, outline_of(package.card)
    with Engine([package], device="cpu") as engine:
        own = _own(engine, package, data)
        foreign = _foreign(engine, package, data)
    if not _good(card.task, own):
        raise LearnedTooLittle(
            f"of {len(own)} validation pictures '{card.task}' outlines none with a Dice of {GOOD_DICE[card.task]}:"
            " train longer before making a package"
        )
    scope = _scope(_good(card.task, own), [reading.scope for reading in foreign])
    gates = _gates(settings, _good(card.task, own))
    question = settings.question
    if question is not None:
        question = _question(question, [seen for seen in own if seen.logit is not None and seen.malignant is not None])
    changed = {"scope": scope, "gates": gates, "question": question}
    return card.model_copy(update={"settings": settings.model_copy(update=changed)})


def _own(engine: Engine, package: TaskPackage, data: Path) -> list[Seen]:
    task = package.identity.task
    folder = data / COHORT_OF[task]
    found = []
    for row in rows(folder, "val"):
        source = read_gray(folder / row["image"])
        truth = read_gray(folder / row["mask"]) > 127
        for picture in [source, paint_over(source)] if task == "breast-lesion" else [source]:
            reading, logit = _look(engine, package, picture)
            mask = mask_in_frame(reading)
            whole = int(mask.sum()) + int(truth.sum())
            found.append(
                Seen(
                    reading=reading,
                    logit=logit,
                    dice=2 * int((mask & truth).sum()) / whole if whole else 1.0,
                    malignant=float(row["pathology"] == "malignant") if row.get("pathology") else None,
                )
            )
    return found


def _foreign(engine: Engine, package: TaskPackage, data: Path) -> list[Reading]:
    other = "bus_bra" if package.identity.task == "fetal-head" else "hc18"
    return [
        _look(engine, package, read_gray(data / name / row["image"]))[0]
        for name in (*OUTSIDERS, other)
        for row in rows(data / name, "val")
    ]


def _look(engine: Engine, package: TaskPackage, picture: NDArray[np.uint8]) -> tuple[Reading, float | None]:
    height, width = picture.shape
    given = FrameInput(pixels=picture, frame=1, view=(0, 0, width - 1, height - 1))
    square, place = square_of(given, package.card.input.size)
    (raw,) = engine.look(package.identity.digest, [square])
    reading = read(raw["mask"], float(raw["scope"]), 1, place, outline_of(package.card))
    return reading, float(raw["kind"]) if "kind" in raw else None


def _good(task: str, own: Sequence[Seen]) -> list[Reading]:
    return [seen.reading for seen in own if seen.dice >= GOOD_DICE[task] and seen.reading.component is not None]


def _scope(good: Sequence[Reading], foreign_scopes: Sequence[float]) -> float:
    keeps = float(np.quantile([reading.scope for reading in good], LOST))
    needs = float(np.quantile(foreign_scopes, 0.99))
    return round(float(np.clip((keeps + needs) / 2 if needs < keeps else keeps, 0.3, 0.9)), 3)


def _gates(settings: OutlineSettings, good: Sequence[Reading]) -> Gates:
    parts = [reading.component for reading in good if reading.component is not None]
    shares = [reading.area_share for reading in good]
    return Gates(
        confidence=_floor([part.confidence for part in parts], 0.02),
        area=(round(min(shares) / 1.5, 4), round(min(0.95, max(shares) * 1.3), 3)),
        dominance=_floor([part.dominance for part in parts], 0.05),
        ellipse=_floor([reading.ellipse_overlap for reading in good], 0.01) if settings.measures == "ellipse" else 0.0,
    )


def _floor(values: Sequence[float], margin: float) -> float:
    return round(max(0.0, float(np.quantile(values, LOST)) - margin), 3)


def _question(question: Question, seen: Sequence[Seen]) -> Question:
    logits = np.array([s.logit for s in seen], dtype=np.float64)
    truth = np.array([s.malignant for s in seen], dtype=np.float64)
    slope, shift = _platt(logits, truth)
    sure = 1 / (1 + np.exp(-(logits * slope + shift)))
    yes = np.sort(sure[truth > 0.5])
    threshold = float(yes[int(np.floor((1 - SENSITIVITY) * len(yes)))])
    specificity = float((sure[truth < 0.5] < threshold).mean())
    return question.model_copy(
        update={
            "temperature": round(1 / slope, 4),
            "shift": round(shift, 4),
            "threshold": round(threshold - 0.0005, 3),
            "threshold_from": f"highest with a sensitivity of at least {SENSITIVITY:.0%} on bus_bra val, as they are"
            f" and painted over (n = {len(seen)}); specificity there {specificity:.0%}",
        }
    )


def _platt(logits: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and shift of the logits that fit the truth best, by Newton's method with a small ridge."""
    x = torch.tensor(logits)
    y = torch.tensor(truth)
    free = torch.zeros(2, dtype=torch.float64, requires_grad=True)  # log slope, shift
    fit = torch.optim.LBFGS([free], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        fit.zero_grad()
        scores = x * torch.exp(free[0]) + free[1]
        value = torch.nn.functional.binary_cross_entropy_with_logits(scores, y, reduction="sum")
        value = value + RIDGE * (free**2).sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return value

    fit.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    slope, shift = float(torch.exp(free[0].detach())), float(free[1].detach())
    return slope, shift
