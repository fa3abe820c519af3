"""Reader of grades in order: the calibrated grade of all frames together, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding
from models.packages.settings_pictures import OrdinalSettings
from models.readers.gathering import Evidence, Gathering
from models.readers.reader import Raw, Seen
from models.readers.telling import answered, probabilities, sigmoid, silent, unsure


class OrdinalReader:
    """One grade for each view of a still or a cine."""

    def __init__(self, settings: OrdinalSettings) -> None:
        self._settings = settings
        self._gathering = Gathering(settings, settings.question)

    def see(self, seen: Seen) -> None:
        """Take note of one view's cumulative logits."""
        self._gathering.add(seen, seen.raw["beyond"])

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """None: all frames were heard."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """A grade for each view, or why there is none."""
        said = [finding for evidence in self._gathering.evidence for finding in self._grade(evidence)]
        return tuple(said) or (self._gathering.out_of_scope(),)

    def _grade(self, evidence: Evidence) -> list[Finding]:
        settings, group = self._settings, f"{self._settings.question.name} {evidence.number}"
        likely = grade_probabilities(evidence.mean, settings)
        chosen = decided(likely, settings)
        grade, sure = settings.grades[chosen], float(likely[chosen])
        frame = evidence.frame_that_says(grade_probabilities(evidence.rows, settings)[:, chosen])
        if sure < settings.least_probability:
            reason = unsure(grade.code.meaning, sure, settings.least_probability)
            return [silent(settings.question, group, frame, sure, reason)]
        category = answered(settings.question, grade.code, group, frame, sure)
        return [category, *probabilities(settings.grades, likely, group, frame)]


def grade_probabilities(beyond: NDArray[np.float64], settings: OrdinalSettings) -> NDArray[np.float64]:
    """Cumulative logits (…, grades - 1) that fall along the last axis to calibrated probabilities (…, grades)."""
    above = sigmoid(beyond / settings.temperature + settings.shift)
    ends = np.ones_like(above[..., :1])
    likely: NDArray[np.float64] = -np.diff(np.concatenate([ends, above, 0 * ends], axis=-1), axis=-1)
    return likely


def decided(likely: NDArray[np.float64], settings: OrdinalSettings) -> int:
    """The grade (its number from 0) that probabilities (grades,) come to."""
    if settings.decision == "expected":
        return int(np.floor(likely @ np.arange(len(likely)) + 0.5))
    return int(np.argmax(likely))
