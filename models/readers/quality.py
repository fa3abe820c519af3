"""Reader of scan quality: a score, and words for what is lacking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Quantity
from models.packages.settings_pictures import Concept, QualitySettings
from models.readers.gathering import Evidence, Gathering
from models.readers.reader import Raw, Seen
from models.readers.telling import answered, code_of, sigmoid


class QualityReader:
    """Score and aspects of each view of a still or a cine: means of all frames."""

    def __init__(self, settings: QualitySettings) -> None:
        self._settings = settings
        self._gathering = Gathering(settings, settings.score)

    def see(self, seen: Seen) -> None:
        """Take note of one view's score and log-odds."""
        score = np.asarray(seen.raw["score"], dtype=np.float32).reshape(1)
        self._gathering.add(seen, np.concatenate([score, seen.raw["poor"]]))

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """None: all frames were heard."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Score and aspects of each view, or why there are none."""
        said = [finding for evidence in self._gathering.evidence for finding in self._quality(evidence)]
        return tuple(said) or (self._gathering.out_of_scope(),)

    def _quality(self, evidence: Evidence) -> list[Finding]:
        settings, mean, rows = self._settings, evidence.mean, evidence.rows
        score = settings.score
        typical = evidence.frame_that_says(-np.abs(rows[:, 0] - mean[0]))
        said: list[Finding] = [
            Quantity(
                name=score.name,
                group=f"{score.name} {evidence.number}",
                frame=typical,
                code=code_of(score.code),
                site=code_of(score.site),
                value=float(mean[0]),
                unit="1",
            )
        ]
        likely = poor_probabilities(mean[1:], settings)
        for number, (aspect, poor) in enumerate(zip(settings.aspects, likely, strict=True), 1):
            is_poor = poor >= aspect.threshold
            frame = evidence.frame_that_says(rows[:, number] if is_poor else -rows[:, number])
            question = Concept(name=aspect.name, code=aspect.code, site=score.site)
            value, sure = (aspect.poor, float(poor)) if is_poor else (aspect.fine, 1 - float(poor))
            said.append(answered(question, value, f"{aspect.name} {evidence.number}", frame, sure))
        return said


def poor_probabilities(poor: NDArray[np.float64], settings: QualitySettings) -> NDArray[np.float64]:
    """Log-odds (…, aspects) of the head to calibrated probabilities of being poor."""
    return sigmoid(poor / settings.temperature + np.array([aspect.shift for aspect in settings.aspects]))


def guidance(raw: Raw, settings: QualitySettings) -> str | None:
    """What to change at the scanner, for a live view: the poorest aspect first; None where the scan is good.

    Parameters
    ----------
    raw
        What the head says of the picture on the screen.
    """
    score, likely = float(raw["score"]), poor_probabilities(np.asarray(raw["poor"], dtype=np.float64), settings)
    poor = [(share, a) for share, a in zip(likely.tolist(), settings.aspects, strict=True) if share >= a.threshold]
    if poor:
        return "; ".join(f"{aspect.advice} ({aspect.poor.meaning})" for _, aspect in sorted(poor, key=_poorest_first))
    if score < settings.least:
        return f"find a better view ({settings.score.name} {score:.2f} < {settings.least:.2f})"
    return None


def _poorest_first(item: tuple[float, object]) -> float:
    return -item[0]
