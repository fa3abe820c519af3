"""How right masks are: Dice, and how far edges lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Mask, NoFinding, Quantity
from models.packages.settings import OutlineSettings
from models.packages.settings_pictures import SegmentationSettings
from models.readers.areas import mask_in_frame as likely_mask
from models.readers.judging import mask_in_frame, read
from models.readers.marking import against_others, mark
from trainer.adapting.case import Asked, Case, Score, means, over_rows
from trainer.adapting.curves import AT_THRESHOLD, PROBABILITY
from trainer.adapting.surfaces import dice, edge_distances, hd95
from trainer.evaluate import Result
from trainer.tasks.truths import UNLABELLED, LabelMap, Outlined

SURE = "probability, truth, threshold"
DICE = "Dice"


def segmentation_case(asked: Asked, settings: SegmentationSettings) -> Case:
    """Judge the masks of all structures."""
    truth = asked.example.truth
    if not isinstance(truth, LabelMap):
        raise TypeError(f"{asked.example.name} has no label map")
    known = truth.classes != UNLABELLED
    scores: dict[Score, float] = {("answered", "%"): _answered(asked.findings)}
    seen = []
    for number, asks in enumerate(settings.structures, 1):
        name = asks.structure.name
        right = truth.classes == number
        found = united(asked.findings, name, right.shape) & known
        scores |= mask_scores(name, found, right, asked.example.mm_per_pixel)
        if right.any():
            seen.append(dice(found, right))
            drawn = found if found.any() else _withheld_structure(asked, settings, number - 1) & known
            scores[said_or_withheld(name), ""] = dice(drawn, right)
    return Case(asked=asked, goodness=float(np.mean(seen)) if seen else 1.0, scores=scores)


def outline_case(asked: Asked, settings: OutlineSettings) -> Case:
    """Judge one structure's mask, the lengths measured on it and the answer about it."""
    truth = asked.example.truth
    if not isinstance(truth, Outlined):
        raise TypeError(f"{asked.example.name} has no outline")
    name, right = settings.structure.name, truth.mask > 127
    found = united(asked.findings, name, right.shape)
    scores = {("answered", "%"): _answered(asked.findings)}
    scores |= mask_scores(name, found, right, asked.example.mm_per_pixel)
    rows: dict[str, tuple[float, ...]] = {}
    if right.any():
        rows[DICE] = (dice(found, right),)
        drawn = found if found.any() else _withheld_outline(asked, settings)
        scores[said_or_withheld(name), ""] = dice(drawn, right)
    scores |= _length_scores(asked, truth)
    question = settings.question
    if question is not None and np.isfinite(truth.yes):
        said = [f for f in asked.findings if isinstance(f, Quantity) and f.name == question.probability_name]
        if said:
            rows[SURE] = (said[0].value / 100, truth.yes, question.threshold)
    return Case(asked=asked, goodness=dice(found, right), scores=scores, rows=rows)


def segmentation_results(cases: Sequence[Case], settings: SegmentationSettings, data: str) -> list[Result]:
    """Means of all scores."""
    return means(cases, data)


def outline_results(cases: Sequence[Case], settings: OutlineSettings, data: str) -> list[Result]:
    """Means of all scores, the median Dice, and how good the probability is."""
    median = ((f"{settings.structure.name} Dice, silence counted as 0, median", ""), _median)
    found = [*means(cases, data), *over_rows(cases, data, DICE, [median])]
    if settings.question is None:
        return found
    name = settings.question.probability_name
    told = [((f"{figure} of {name}", unit), curve) for (figure, unit), curve in PROBABILITY]
    told += [((f"{figure} at the card's threshold", unit), curve) for (figure, unit), curve in AT_THRESHOLD]
    return [*found, *over_rows(cases, data, SURE, told)]


def united(findings: Sequence[Finding], name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """All masks of one structure in one, (rows, columns)."""
    whole = np.zeros(shape, bool)
    for finding in findings:
        if isinstance(finding, Mask) and finding.name == name:
            whole |= finding.to_array()
    return whole


def mask_scores(
    name: str, found: NDArray[np.bool_], truth: NDArray[np.bool_], mm_per_pixel: float | None
) -> dict[Score, float]:
    """Dice where the structure is; edge distances where it was found as well; whether it was marked where it is not."""
    if not truth.any():
        return {(f"{name} marked where it is not", "%"): 100.0 * bool(found.any())}
    scores: dict[Score, float] = {(f"{name} Dice, silence counted as 0", ""): dice(found, truth)}
    if found.any():
        scale, unit = (1.0, "px") if mm_per_pixel is None else (mm_per_pixel, "mm")
        scores[f"{name} Dice, where marked", ""] = dice(found, truth)
        scores[f"{name} HD95, where marked", unit] = scale * hd95(found, truth)
        scores[f"{name} ASSD, where marked", unit] = scale * float(edge_distances(found, truth).mean())
    return scores


def said_or_withheld(name: str) -> str:
    """The figure that counts outlines as the field does, without gates."""
    return f"{name} Dice, said or withheld"


def _withheld_outline(asked: Asked, settings: OutlineSettings) -> NDArray[np.bool_]:
    """The outline that the gates kept back, in the picture (H, W)."""
    return mask_in_frame(read(asked.raw["mask"], 1.0, 1, asked.place, settings))


def _withheld_structure(asked: Asked, settings: SegmentationSettings, number: int) -> NDArray[np.bool_]:
    """What the gates kept back of one of several structures, in the picture (H, W)."""
    likely = asked.raw["mask"]
    shown = against_others(likely) if settings.exclusive else likely
    marked = mark(shown[number], likely[number], settings.structures[number], 1, asked.place)
    return np.zeros(asked.example.picture.shape, bool) if marked is None else likely_mask(marked.likely, marked.place)


def _length_scores(asked: Asked, truth: Outlined) -> dict[Score, float]:
    """How far measurements are from the lengths that are known, mm; none where the scale is not known."""
    scale, scores = asked.example.mm_per_pixel, dict[Score, float]()
    for finding in asked.findings:
        if isinstance(finding, Quantity) and finding.name in truth.lengths_mm and scale is not None:
            off = finding.value * scale - truth.lengths_mm[finding.name]
            scores[f"{finding.name}, mean absolute error", "mm"] = abs(off)
            scores[f"{finding.name}, mean error", "mm"] = off
    return scores


def _median(rows: NDArray[np.float64]) -> float:
    return float(np.median(rows[:, 0]))


def _answered(findings: Sequence[Finding]) -> float:
    return 100.0 * (not all(isinstance(finding, NoFinding) for finding in findings))
