"""Gates of masks, and the question about an outline, closed on validation pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.geometry.outline import LEVEL
from models.packages.settings import Gates, OutlineSettings, Question
from models.packages.settings_pictures import MaskedStructure, MaskGates, SegmentationSettings
from models.readers.areas import mask_in_frame, share_of_view
from models.readers.judging import Reading, read
from models.readers.judging import mask_in_frame as outline_in_frame
from models.readers.marking import against_others, mark
from trainer.adapting.case import Asked
from trainer.adapting.fitting import platt_of
from trainer.adapting.judging_ejection import mended
from trainer.adapting.surfaces import dice
from trainer.errors import LearnedTooLittle
from trainer.tasks.spec import MARKS
from trainer.tasks.truths import UNLABELLED, LabelMap, Outlined, Truth

GOOD_DICE = 0.6  # from which a validation picture shows what a mask that may be said looks like
GOOD_ELLIPSE = 0.9  # the same where an ellipse is fitted: it errs less, and lengths are read from it
LOST = 0.01  # share of those that a gate may refuse
MARGIN = 0.1  # of a confidence: few patients are in validation, others will look less sure
SMALLER, LARGER = 2.0, 1.5  # than any seen there, before an area is refused
LEAST_GOOD = 5  # pictures, or the gate stays wide
SENSITIVITY = 0.90


def segmentation(
    settings: SegmentationSettings, seen: Sequence[Asked], learned: Sequence[Truth]
) -> SegmentationSettings:
    """Least confidence and areas of each structure, and what an ejection fraction wants added.

    Areas are bounded by what was outlined in the training pictures too: validation may hold a single patient.
    """
    structures = [_closed(settings, number, seen, learned) for number in range(len(settings.structures))]
    return settings.model_copy(update={"structures": tuple(structures), "ejection": mended(seen, settings)})


def outline(settings: OutlineSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> OutlineSettings:
    """Gates of the outline, areas as of `segmentation`; temperature, shift and threshold of its question.

    Raises
    ------
    LearnedTooLittle
        No validation picture is outlined well.
    """
    outlines = [truth.mask > 127 for truth in learned if isinstance(truth, Outlined)]
    good = [reading for asked in seen for reading in _good_readings(settings, asked)]
    if not good:
        raise LearnedTooLittle(
            f"of {len(seen)} validation pictures none has its {settings.structure.name} outlined with a Dice of"
            f" {_good_dice(settings)}: train longer before making a package"
        )
    question = settings.question
    changed = {
        "gates": _outline_gates(settings, good, _shares(outlines)) if len(good) >= LEAST_GOOD else settings.gates,
        "question": None if question is None else _asked(question, seen),
    }
    return settings.model_copy(update=changed)


def _closed(
    settings: SegmentationSettings, number: int, seen: Sequence[Asked], learned: Sequence[Truth]
) -> MaskedStructure:
    asks = settings.structures[number]
    good = [pair for asked in seen for pair in _good_marks(settings, number, asked)]
    if len(good) < LEAST_GOOD:
        return asks
    confidences, shares = zip(*good, strict=True)
    outlined = _shares([truth.classes == number + 1 for truth in learned if isinstance(truth, LabelMap)])
    gates = MaskGates(confidence=_floor(confidences, MARGIN), area=_areas([*shares, *outlined]))
    return asks.model_copy(update={"gates": gates})


def _good_marks(settings: SegmentationSettings, number: int, asked: Asked) -> list[tuple[float, float]]:
    """Confidence and share of the view of a structure that was marked well in a picture, if it was."""
    truth, asks = asked.example.truth, settings.structures[number]
    if not isinstance(truth, LabelMap) or not (truth.classes == number + 1).any():
        return []
    probabilities, place = asked.raw["mask"], asked.place
    likely = against_others(probabilities) if settings.exclusive else probabilities
    marked = mark(likely[number], probabilities[number], asks, 1, place)
    if marked is None:
        return []
    found = mask_in_frame(marked.likely, place) & (truth.classes != UNLABELLED)
    if dice(found, truth.classes == number + 1) < GOOD_DICE:
        return []
    return [(marked.confidence, share_of_view(marked.likely >= LEVEL, place))]


def _good_readings(settings: OutlineSettings, asked: Asked) -> list[Reading]:
    truth = asked.example.truth
    reading = read(asked.raw["mask"], 1.0, 1, asked.place, settings)
    if not isinstance(truth, Outlined) or reading.component is None:
        return []
    return [reading] if dice(outline_in_frame(reading), truth.mask > 127) >= _good_dice(settings) else []


def _good_dice(settings: OutlineSettings) -> float:
    return GOOD_ELLIPSE if settings.measures == "ellipse" else GOOD_DICE


def _outline_gates(settings: OutlineSettings, good: Sequence[Reading], outlined: Sequence[float]) -> Gates:
    parts = [reading.component for reading in good if reading.component is not None]
    fits = settings.measures == "ellipse"
    return Gates(
        confidence=_floor([part.confidence for part in parts], MARGIN),
        area=_areas([*(reading.area_share for reading in good), *outlined]),
        dominance=_floor([part.dominance for part in parts], MARGIN),
        ellipse=_floor([reading.ellipse_overlap for reading in good], 0.02) if fits else 0.0,
    )


def _asked(question: Question, seen: Sequence[Asked]) -> Question:
    pairs = [
        (float(asked.raw["kind"]), asked.example.truth.yes)
        for asked in seen
        if isinstance(asked.example.truth, Outlined) and np.isfinite(asked.example.truth.yes)
    ]
    logits, truth = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    if len(set(truth)) < 2:
        return question
    temperature, shift = platt_of(logits, truth)
    sure = 1 / (1 + np.exp(-(logits / temperature + shift)))
    threshold = _operating_point(sure, truth)
    there = float((sure[truth < 0.5] < threshold).mean())
    both = ", as it is and painted over" if any(MARKS in asked.example.traits for asked in seen) else ""
    words = (
        f"highest with a sensitivity of at least {SENSITIVITY:.0%} on the validation split{both} (n = {len(truth)});"
        f" specificity there {there:.0%}"
    )
    changed = {"temperature": temperature, "shift": shift, "threshold": threshold, "threshold_from": words}
    return question.model_copy(update=changed)


def _operating_point(sure: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    yes = np.sort(sure[truth > 0.5])
    return float(np.floor(1000 * yes[int(np.floor((1 - SENSITIVITY) * len(yes)))]) / 1000)


def _floor(values: Sequence[float], margin: float) -> float:
    return round(max(0.0, float(np.quantile(values, LOST)) - margin), 3)


def _shares(masks: Sequence[NDArray[np.bool_]]) -> list[float]:
    """Of the pictures, those of masks (H, W) that mark anything."""
    return [float(mask.mean()) for mask in masks if mask.any()]


def _areas(shares: Sequence[float]) -> tuple[float, float]:
    return round(min(shares) / SMALLER, 5), round(min(1.0, max(shares) * LARGER), 3)
