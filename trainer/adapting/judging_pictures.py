"""How much better pictures become, how often they are left alone, and how right the words about their quality are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, EnhancedImage, NoFinding, Quantity
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_pictures import QualitySettings
from models.readers.enhancement import added, in_view
from models.readers.harm import similarity
from trainer.adapting.bindings import POOR
from trainer.adapting.case import Asked, Case, Curve, Score, means, over_rows
from trainer.adapting.curves import PROBABILITY
from trainer.evaluate import Result
from trainer.tasks.truths import Clean

WHITE = 255.0
GRADES = 4  # of quality: undamaged, slight, moderate, severe
RANKS = "score, goodness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """How near a picture is to the undamaged one."""

    psnr: float  # dB; infinite where both are the same
    ssim: float  # at most 1


def nearness(picture: NDArray[np.uint8], good: NDArray[np.uint8]) -> Near:
    """Compare gray pictures (H, W).

    References
    ----------
    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004.
    """
    one, other = picture.astype(np.float32), good.astype(np.float32)
    error = float(np.mean((one - other) ** 2))
    psnr = 10 * float(np.log10(WHITE**2 / error)) if error else float("inf")
    return Near(psnr=psnr, ssim=float(similarity(one, other).mean()))


def laid(asked: Asked) -> NDArray[np.uint8]:
    """The picture as the network would change it, whatever the gates say: (H, W)."""
    return added(asked.example.picture, in_view(asked.raw["residual"], asked.place))


def enhancement_case(asked: Asked, settings: EnhancementSettings) -> Case:
    """Judge one picture; where it was left as it is, it counts as it is."""
    truth = _clean(asked)
    shown = [f.pixels for f in asked.findings if isinstance(f, EnhancedImage)]
    before = nearness(truth.given, truth.picture)
    after = nearness(shown[0], truth.picture) if shown else before
    raw = nearness(laid(asked), truth.picture)
    kind = truth.damage.words
    scores: dict[Score, float] = {}
    if kind != "none":
        for what in ("all damage", kind):
            scores[f"PSNR before, {what}", "dB"] = before.psnr
            scores[f"PSNR after, {what}", "dB"] = after.psnr
            scores[f"SSIM before, {what}", ""] = before.ssim
            scores[f"SSIM after, {what}", ""] = after.ssim
        scores["PSNR after, all damage, without the gate", "dB"] = raw.psnr
    refused = 100.0 * (not shown)
    scores["refused", "%"] = refused
    scores[f"refused, {kind}", "%"] = refused
    worse = raw.psnr < before.psnr
    scores["would be made worse without the gate", "%"] = 100.0 * worse
    if worse:
        scores["refused, of those that would be made worse", "%"] = refused
    if shown:
        scores["made worse, of those shown", "%"] = 100.0 * (after.psnr < before.psnr)
    return Case(asked=asked, goodness=after.ssim - before.ssim, scores=scores)


def enhancement_results(cases: Sequence[Case], settings: EnhancementSettings, data: str) -> list[Result]:
    """Means of all scores."""
    return means(cases, data)


def quality_case(asked: Asked, settings: QualitySettings) -> Case:
    """Judge score and aspects of one picture against what was done to it."""
    truth = _clean(asked)
    said = [f.value for f in asked.findings if isinstance(f, Quantity) and f.name == settings.score.name]
    answered = not all(isinstance(finding, NoFinding) for finding in asked.findings)
    scores: dict[Score, float] = {("answered", "%"): 100.0 * answered}
    rows: dict[str, tuple[float, ...]] = {}
    goodness = 0.5
    if said:
        off = abs(grade_of(1 - said[0]) - grade_of(truth.damage.worst))
        scores["quality grade, exact", "%"] = 100.0 * (off == 0)
        scores["quality grade, within one", "%"] = 100.0 * (off <= 1)
        scores["score, mean absolute error", ""] = abs(said[0] - (1 - truth.damage.worst))
        rows[RANKS] = (said[0], 1 - truth.damage.worst)
        goodness = 1 - abs(said[0] - (1 - truth.damage.worst))
    for aspect, severity in zip(settings.aspects, truth.damage.severities, strict=True):
        for told in asked.findings:
            if isinstance(told, Category) and told.name == aspect.name and told.probability is not None:
                poor = told.value == aspect.poor.to_code()
                rows[aspect.name] = (told.probability if poor else 1 - told.probability, float(severity >= POOR))
    return Case(asked=asked, goodness=goodness, scores=scores, rows=rows)


def quality_results(cases: Sequence[Case], settings: QualitySettings, data: str) -> list[Result]:
    """Means of all scores, rank correlation of the score, and how well each aspect is told."""
    aspects = [
        result
        for aspect in settings.aspects
        for result in over_rows(
            cases,
            data,
            aspect.name,
            [((f"{figure} of poor {aspect.name}", unit), c) for (figure, unit), c in PROBABILITY],
        )
    ]
    ranks: list[tuple[Score, Curve]] = [(("rank correlation of the score", ""), rank_correlation)]
    return [*over_rows(cases, data, RANKS, ranks), *means(cases, data), *aspects]


def grade_of(severity: float) -> int:
    """The grade of a severity of 0 to 1: 0 undamaged, up to 3 severe."""
    return int(np.floor(severity * (GRADES - 1) + 0.5))


def rank_correlation(rows: NDArray[np.float64]) -> float:
    """Spearman's coefficient of the first two columns; NaN where one of them is all alike."""
    one, other = (_ranks(column) for column in rows[:, :2].T)
    spread = float(one.std() * other.std())
    return float(np.mean((one - one.mean()) * (other - other.mean()))) / spread if spread else float("nan")


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing the mean of theirs."""
    ordered = np.sort(values)
    ranks: NDArray[np.float64] = (
        np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    ) / 2
    return ranks


def _clean(asked: Asked) -> Clean:
    truth = asked.example.truth
    if not isinstance(truth, Clean):
        raise TypeError(f"{asked.example.name} has no undamaged picture")
    return truth
