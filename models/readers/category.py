"""Reader of one question about the whole picture: the calibrated answer of all frames together, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding
from models.packages.settings_pictures import ClassificationSettings
from models.readers.gathering import Evidence, Gathering
from models.readers.reader import Raw, Seen
from models.readers.telling import answered, probabilities, silent, softmax, unsure


class CategoryReader:
    """One answer for each view of a still or a cine."""

    def __init__(self, settings: ClassificationSettings) -> None:
        self._settings = settings
        self._gathering = Gathering(settings, settings.question)

    def see(self, seen: Seen) -> None:
        """Take note of one view's log-probabilities."""
        self._gathering.add(seen, seen.raw["answer"])

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """None: all frames were heard."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """An answer for each view, or why there is none."""
        said = [finding for evidence in self._gathering.evidence for finding in self._answer(evidence)]
        return tuple(said) or (self._gathering.out_of_scope(),)

    def _answer(self, evidence: Evidence) -> list[Finding]:
        settings, group = self._settings, f"{self._settings.question.name} {evidence.number}"
        likely = calibrated(evidence.mean, settings)
        best = int(np.argmax(likely))
        answer, sure = settings.answers[best], float(likely[best])
        frame = evidence.frame_that_says(calibrated(evidence.rows, settings)[:, best])
        if sure < settings.least_probability:
            reason = unsure(answer.code.meaning, sure, settings.least_probability)
            return [silent(settings.question, group, frame, sure, reason)]
        category = answered(settings.question, answer.code, group, frame, sure)
        return [category, *probabilities(settings.answers, likely, group, frame)]


def calibrated(logs: NDArray[np.float64], settings: ClassificationSettings) -> NDArray[np.float64]:
    """Log-probabilities or logits (…, answers) of the head to probabilities that a card stands for."""
    return softmax(logs / settings.temperature + np.array([answer.shift for answer in settings.answers]))
