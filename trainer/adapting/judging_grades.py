"""How right grades are, beyond what is told of any answer: agreement by how far off, and each cut of the scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.packages.settings_pictures import OrdinalSettings
from trainer.adapting.case import Case, Curve, Score, over_rows
from trainer.adapting.judging_answers import ALL, PAIR, SILENCE, results
from trainer.bootstrap import auc
from trainer.evaluate import Result


def ordinal_results(cases: Sequence[Case], settings: OrdinalSettings, data: str) -> list[Result]:
    """What is told of answers, the weighted kappa, and the area under the curve at each cut that parts the cases."""
    cuts: list[tuple[Score, Curve]] = [
        ((f"AUC, {grade.code.meaning} or above", ""), at_cut(number))
        for number, grade in enumerate(settings.grades)
        if number
    ]
    return [
        *results(cases, settings, data),
        *_those_known(cases, data, PAIR, [(("quadratic-weighted kappa", ""), quadratic_kappa)]),
        *_those_known(cases, data, ALL, cuts),
    ]


def quadratic_kappa(rows: NDArray[np.float64]) -> float:
    """Cohen's kappa with squared weights: rows (grade, true grade); silence is left out; NaN where all are alike.

    References
    ----------
    Cohen, "Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit",
    Psychological Bulletin 70 (1968).
    """
    said, truth = rows[rows[:, 0] != SILENCE].T
    if not len(said):
        return float("nan")
    by_chance = float(((said[:, None] - truth[None]) ** 2).mean())
    return 1 - float(((said - truth) ** 2).mean()) / by_chance if by_chance else float("nan")


def at_cut(number: int) -> Curve:
    """The area for a grade of at least `number`: rows (truth, probability of each grade)."""

    def area(rows: NDArray[np.float64]) -> float:
        return auc(np.stack([rows[:, 1 + number :].sum(axis=1), rows[:, 0] >= number], axis=1))

    return area


def _those_known(cases: Sequence[Case], data: str, rows: str, figures: Sequence[tuple[Score, Curve]]) -> list[Result]:
    """Figures of rows, without those that are no number for these cases."""
    table = np.array([case.rows[rows] for case in cases if rows in case.rows], dtype=np.float64)
    known = [(score, figure) for score, figure in figures if len(table) and np.isfinite(figure(table))]
    return over_rows(cases, data, rows, known)
