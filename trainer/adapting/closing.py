"""What a card promises, chosen on validation pictures: scope, gates, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.packages.parts import KindSettings
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    QualitySettings,
    SegmentationSettings,
    ViewSettings,
)
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings
from models.readers.coordinates import to_frame
from models.readers.view import view_probabilities
from trainer.adapting import closing_masks, closing_numbers, closing_pictures, closing_text
from trainer.adapting.case import Asked
from trainer.adapting.fitting import ordinal_of, temperature_of
from trainer.adapting.judging_boxes import detection_case
from trainer.adapting.judging_points import matched
from trainer.tasks.truths import UNKNOWN, Answer, Points, Truth, ViewAnswer

LOST = 0.01  # share of right answers that one gate may refuse
SCOPE = (0.3, 0.9)  # a threshold outside would rest on noise
UNLIKE = 3.0  # least limit of the distance from training pictures, whose own mean is 1
FURTHER = 2.0  # times as far as validation pictures: those of other places lie further off, and are no others
MOST_LEAST = 0.5  # a least probability is not set above it
NEAR = 0.05  # of a picture's diagonal: a point within it was found
PRECISE = 0.6  # least share of boxes said that have to be right
WITHHELD = 0.99
USUAL_SCORE = 0.3  # of a box whose class no validation picture shows


def closed(settings: Settings, seen: Sequence[Asked], learned: Sequence[Truth] = ()) -> Settings:
    """The settings of a card as validation pictures want them.

    Parameters
    ----------
    settings
        With open gates.
    seen
        Validation pictures, and what a package with these settings said of them.
    learned
        What is true of the training pictures, in pixels of whole pictures.

    Raises
    ------
    LearnedTooLittle
        Of a task that outlines, no validation picture is outlined well.
    """
    close = CLOSERS.get(type(settings))
    better: Settings = settings if close is None else close(settings, seen, learned)
    return better.model_copy(update={"scope": _scope(better, seen), "unlike": _unlike(better, seen)})


def _scope(settings: KindSettings, seen: Sequence[Asked]) -> float | None:
    """The highest that all but few of its own pictures reach: pictures unlike any that was shown score in between."""
    if settings.scope is None:
        return None
    return round(float(np.clip(np.quantile([float(asked.raw["scope"]) for asked in seen], LOST), *SCOPE)), 3)


def _unlike(settings: KindSettings, seen: Sequence[Asked]) -> float | None:
    """Well beyond all but few of its own pictures."""
    if settings.unlike is None:
        return None
    own = float(np.quantile([float(asked.raw["unlike"]) for asked in seen], 1 - LOST))
    return round(max(UNLIKE, FURTHER * own), 2)


def _classification(
    settings: ClassificationSettings, seen: Sequence[Asked], learned: Sequence[Truth]
) -> ClassificationSettings:
    logs, truth = _answers(seen, "answer")
    return settings if not len(truth) else settings.model_copy(update={"temperature": temperature_of(logs, truth)})


def _ordinal(settings: OrdinalSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> OrdinalSettings:
    beyond, truth = _answers(seen, "beyond")
    if not len(truth):
        return settings
    temperature, shift = ordinal_of(beyond, truth)
    return settings.model_copy(update={"temperature": temperature, "shift": shift})


def _view(settings: ViewSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> ViewSettings:
    """Temperatures of regions and of organs, then least probabilities."""
    pairs = [(asked.raw, asked.example.truth) for asked in seen]
    known = [(raw, truth) for raw, truth in pairs if isinstance(truth, ViewAnswer)]
    if not known:
        return settings
    regions = np.stack([raw["region"] for raw, _ in known]).astype(np.float64)
    right = np.array([truth.region for _, truth in known])
    changed = settings.model_copy(update={"region_temperature": temperature_of(regions, right)})
    told = [(raw, truth) for raw, truth in known if truth.organ != UNKNOWN]
    logs = np.stack([raw["organ"] for raw, _ in told]).astype(np.float64)
    organs = np.array([truth.organ for _, truth in told])
    inside = _only_their_region(logs, np.array([truth.region for _, truth in told]), settings)
    changed = changed.model_copy(update={"organ_temperature": temperature_of(inside, organs)})
    both = np.stack([np.concatenate([raw["region"], raw["organ"]]) for raw, _ in told]).astype(np.float64)
    region_likely, likely = view_probabilities(both, changed)
    least = {
        "least_region": _least(region_likely, np.array([truth.region for _, truth in told])),
        "least_organ": _least(likely, organs),
    }
    return changed.model_copy(update=least)


def _landmarks(settings: LandmarksSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> LandmarksSettings:
    """The confidence that all but few of the points that were found have."""
    sure: list[float] = []
    for asked in seen:
        truth = asked.example.truth
        if not isinstance(truth, Points):
            continue
        found = to_frame(asked.raw["points"].astype(np.float64), asked.place)
        off = np.linalg.norm(found - matched(found, truth.points, settings), axis=1)
        near = off < NEAR * np.hypot(*asked.example.picture.shape)
        sure += [float(value) for value in asked.raw["confidence"][near]]
    if not sure:
        return settings
    return settings.model_copy(update={"confidence": round(min(MOST_LEAST, float(np.quantile(sure, LOST))), 3)})


def _detection(settings: DetectionSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> DetectionSettings:
    """The threshold of each class with the best F1, of those that are seldom wrong; `WITHHELD` where there is none."""
    cases = [detection_case(asked, settings) for asked in seen]
    classes = []
    for each in settings.classes:
        rows = [case.rows[each.structure.name] for case in cases if each.structure.name in case.rows]
        classes.append(each.model_copy(update={"threshold": _best_threshold(rows)}))
    return settings.model_copy(update={"classes": tuple(classes)})


def _best_threshold(rows: Sequence[tuple[float, ...]]) -> float:
    total = sum(row[0] for row in rows)
    pairs = sorted(((row[i], row[i + 1]) for row in rows for i in range(1, len(row), 2)), reverse=True)
    if not total or not pairs:
        return USUAL_SCORE
    hits = np.cumsum([right for _, right in pairs])
    said = np.arange(1, len(pairs) + 1)
    f1 = np.where(hits >= PRECISE * said, 2 * hits / (total + said), 0.0)
    return round(float(np.clip(pairs[int(f1.argmax())][0] - 0.005, 0.01, WITHHELD)), 3) if f1.any() else WITHHELD


def _answers(seen: Sequence[Asked], name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    told = [(asked.raw[name], asked.example.truth) for asked in seen]
    known = [(raw, t.number) for raw, t in told if isinstance(t, Answer) and t.number != UNKNOWN]
    numbers = np.array([number for _, number in known], dtype=np.int64)
    return np.stack([raw for raw, _ in known]).astype(np.float64) if known else np.zeros((0, 2)), numbers


def _only_their_region(
    logs: NDArray[np.float64], regions: NDArray[np.int64], settings: ViewSettings
) -> NDArray[np.float64]:
    """Logs of organs (n, organs), those of other regions than the right one out of the question."""
    of_region = np.concatenate([np.full(len(region.organs), i) for i, region in enumerate(settings.regions)])
    return np.where(of_region[None] == regions[:, None], logs, -1e4)


def _least(likely: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """A probability below all but few of those of right answers."""
    right = likely.argmax(axis=1) == truth
    if not right.any():
        return 0.0
    return round(min(MOST_LEAST, float(np.quantile(likely.max(axis=1)[right], LOST))), 3)


CLOSERS: dict[type[Any], Callable[[Any, Sequence[Asked], Sequence[Truth]], Any]] = {
    SegmentationSettings: closing_masks.segmentation,
    OutlineSettings: closing_masks.outline,
    ClassificationSettings: _classification,
    OrdinalSettings: _ordinal,
    ViewSettings: _view,
    LandmarksSettings: _landmarks,
    RegressionSettings: closing_numbers.regression,
    DetectionSettings: _detection,
    EnhancementSettings: closing_pictures.enhancement,
    QualitySettings: closing_pictures.quality,
    ReportSettings: closing_text.report,
}
