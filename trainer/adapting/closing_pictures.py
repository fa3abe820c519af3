"""Gates of better pictures, and the calibration of words about quality, from validation pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.packages.settings_enhancement import EnhancementSettings, HarmGates
from models.packages.settings_pictures import QualitySettings
from models.readers.harm import Harm, harm
from trainer.adapting.bindings import POOR
from trainer.adapting.case import Asked
from trainer.adapting.fitting import platt_of
from trainer.adapting.judging_pictures import laid, nearness
from trainer.tasks.truths import Clean, Truth

LOST = 0.01  # share of the pictures made better that one gate of harm may refuse
MOST_WORSE = 0.02  # share of the pictures shown that may be worse than what was given
MOST_INVENTED = 0.25  # of the dark area, however near the result: what a scan did not record is not to be filled in
ROOM = 1.2  # of what was seen to do good, before a change is refused
HIGHEST = 0.99  # of a least gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One validation picture changed as the network would."""

    done: Harm
    gain: float  # expected
    better: bool


def enhancement(settings: EnhancementSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> EnhancementSettings:
    """Gates of harm wide enough for nearly all changes that did good, then the least gain with few that did not."""
    tried = [_tried(asked, asked.example.truth) for asked in seen if isinstance(asked.example.truth, Clean)]
    good = [each for each in tried if each.better]
    if not good:
        return settings.model_copy(update={"gates": settings.gates.model_copy(update={"gain": HIGHEST})})
    gates = HarmGates(
        gain=0.0,
        change=round(min(1.0, ROOM * _most([each.done.change for each in good])), 4),
        likeness=round(max(0.0, 1 - ROOM * _most([1 - each.done.likeness for each in good])), 3),
        invented=round(min(MOST_INVENTED, ROOM * _most([each.done.invented for each in good])), 4),
    )
    passing = [each for each in tried if _harmless(each.done, gates)]
    least = least_gain([each.gain for each in passing], [each.better for each in passing])
    return settings.model_copy(update={"gates": gates.model_copy(update={"gain": least})})


def least_gain(gains: Sequence[float], better: Sequence[bool]) -> float:
    """The lowest expected gain above which at most `MOST_WORSE` of the pictures are not better; 0 to `HIGHEST`."""
    order = np.argsort(gains)[::-1]
    worse = np.cumsum([not better[i] for i in order])
    right = np.flatnonzero(worse <= MOST_WORSE * np.arange(1, len(order) + 1))
    if not len(right):
        return HIGHEST
    last = int(right[-1])
    floor = float(gains[order[last]])
    below = float(gains[order[last + 1]]) if last + 1 < len(order) else 0.0
    return round(float(np.clip((floor + min(below, floor)) / 2, 0.0, HIGHEST)), 4)


def quality(settings: QualitySettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> QualitySettings:
    """Temperature and shift of the aspects, and the score that parts good pictures from poor ones best."""
    pairs = [(asked.raw, asked.example.truth) for asked in seen]
    known = [(raw, truth.damage) for raw, truth in pairs if isinstance(truth, Clean)]
    if not known:
        return settings
    changed: dict[str, object] = {}
    scores = np.array([float(raw["score"]) for raw, _ in known])
    poor = np.array([damage.worst >= POOR for _, damage in known])
    if poor.any() and not poor.all():
        changed["least"] = round(_parting(scores, poor), 3)
    logits = np.stack([np.asarray(raw["poor"], dtype=np.float64) for raw, _ in known])
    truth = np.array([damage.severities for _, damage in known]) >= POOR
    if settings.aspects and truth.any() and not truth.all():
        temperature, shift = platt_of(logits.ravel(), truth.ravel().astype(np.float64))
        aspects = tuple(aspect.model_copy(update={"shift": shift}) for aspect in settings.aspects)
        changed |= {"temperature": temperature, "aspects": aspects}
    return settings.model_copy(update=changed)


def _tried(asked: Asked, truth: Clean) -> Tried:
    after = laid(asked)
    better = nearness(after, truth.picture).psnr > nearness(truth.given, truth.picture).psnr
    return Tried(done=harm(truth.given, after), gain=float(asked.raw["gain"]), better=better)


def _harmless(done: Harm, gates: HarmGates) -> bool:
    return done.change <= gates.change and done.likeness >= gates.likeness and done.invented <= gates.invented


def _most(values: Sequence[float]) -> float:
    return max(1e-4, float(np.quantile(values, 1 - LOST)))


def _parting(scores: NDArray[np.float64], poor: NDArray[np.bool_]) -> float:
    """The score below which most of the poor and least of the good ones lie: the greatest sum of both shares."""
    cuts = np.unique(scores)
    caught = np.array([np.mean(scores[poor] < cut) + np.mean(scores[~poor] >= cut) for cut in cuts])
    return float(cuts[int(caught.argmax())])
