"""Temperatures of the questions of a report, and from which probability on their answers are stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.packages.settings_report import ReportQuestion, ReportSettings
from trainer.adapting.case import Asked
from trainer.adapting.fitting import temperature_of
from trainer.tasks.truths import Findings, Truth

TRUSTED = 0.7  # least share of right ones among the statements that are made
LEAST_SEEN = 5  # validation pictures, or a question is stated from `UNTRIED` on
UNTRIED = 0.8
RANGE = (0.01, 0.95)
LEAST_LIKELY = 1e-6  # before logarithms


def report(settings: ReportSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> ReportSettings:
    """Calibrate each question of one answer; state it from where enough of its answers were right."""
    pairs = [(asked.raw["likely"], asked.example.truth) for asked in seen]
    known = [(likely, truth.holds) for likely, truth in pairs if isinstance(truth, Findings)]
    questions, first = [], 0
    for question in settings.questions:
        beyond = first + len(question.answers)
        mine = [(likely[first:beyond], holds[first:beyond]) for likely, holds in known]
        asked = [(likely, holds) for likely, holds in mine if np.isfinite(holds).all() and holds.sum() == 1]
        questions.append(question if question.form == "any_of" else _closed(question, asked))
        first = beyond
    return settings.model_copy(update={"questions": tuple(questions)})


def trusted(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest probability from which on at least `TRUSTED` of the answers (n,) were right; within `RANGE`."""
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero((shares >= TRUSTED) & (np.arange(len(order)) + 1 >= LEAST_SEEN))
    least = float(sure[order[enough[-1]]]) if len(enough) else RANGE[1]
    return round(float(np.clip(np.floor(1000 * least) / 1000, *RANGE)), 3)


def _closed(
    question: ReportQuestion, pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float64]]]
) -> ReportQuestion:
    if len(pairs) < LEAST_SEEN:
        return _from(question, UNTRIED)
    logs = np.log(np.maximum(np.stack([likely for likely, _ in pairs]).astype(np.float64), LEAST_LIKELY))
    truth = np.stack([holds for _, holds in pairs]).argmax(axis=1)
    temperature = temperature_of(logs, truth)
    powers = np.exp(logs / temperature)
    likely = powers / powers.sum(axis=1, keepdims=True)
    changed = question.model_copy(update={"temperature": temperature})
    return _from(changed, trusted(likely.max(axis=1), likely.argmax(axis=1) == truth))


def _from(question: ReportQuestion, threshold: float) -> ReportQuestion:
    answers = tuple(answer.model_copy(update={"threshold": threshold}) for answer in question.answers)
    return question.model_copy(update={"answers": answers})
