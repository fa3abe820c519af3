"""Figures that many answers make together. Rows of NaN results are left out by the bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.adapting.case import Curve, Score
from trainer.bootstrap import auc

BINS = 10


def brier(rows: NDArray[np.float64]) -> float:
    """Mean squared error of probabilities: rows (probability, truth 0 or 1, …)."""
    return float(np.mean((rows[:, 0] - rows[:, 1]) ** 2))


def calibration_error(rows: NDArray[np.float64]) -> float:
    """Expected calibration error: rows (probability, 1 where it came true, …), in ten bins of equal width.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    bins = np.minimum((rows[:, 0] * BINS).astype(int), BINS - 1)
    off = [abs(float((rows[bins == b, 0] - rows[bins == b, 1]).sum())) for b in range(BINS)]
    return sum(off) / len(rows)


def sensitivity(rows: NDArray[np.float64]) -> float:
    """Share of the true cases at or above the threshold: rows (probability, truth, threshold); NaN without any."""
    yes = rows[rows[:, 1] > 0.5]
    return float(np.mean(yes[:, 0] >= yes[:, 2])) if len(yes) else float("nan")


def specificity(rows: NDArray[np.float64]) -> float:
    """Share of the false cases below the threshold: rows (probability, truth, threshold); NaN without any."""
    no = rows[rows[:, 1] <= 0.5]
    return float(np.mean(no[:, 0] < no[:, 2])) if len(no) else float("nan")


def f1(rows: NDArray[np.float64]) -> float:
    """Twice the hits over yeses said and yeses true: rows (probability, truth, threshold); NaN without any."""
    said, yes = rows[:, 0] >= rows[:, 2], rows[:, 1] > 0.5
    whole = float(np.sum(said) + np.sum(yes))
    return 2 * float(np.sum(said & yes)) / whole if whole else float("nan")


def sensitivity_of(answer: int, rows: NDArray[np.float64]) -> float:
    """Share of the cases of an answer that got it: rows (answer, truth), -1 is silence; NaN without any."""
    mine = rows[rows[:, 1] == answer, 0]
    return float(np.mean(mine == answer)) if len(mine) else float("nan")


def specificity_of(answer: int, rows: NDArray[np.float64]) -> float:
    """Share of the cases of other answers that did not get this one: rows (answer, truth); NaN without any."""
    others = rows[rows[:, 1] != answer, 0]
    return float(np.mean(others != answer)) if len(others) else float("nan")


def auc_of(answer: int, rows: NDArray[np.float64]) -> float:
    """Area under the curve of one answer against all others: rows (truth, probability of each)."""
    return auc(np.stack([rows[:, 1 + answer], rows[:, 0] == answer], axis=1))


def macro_f1(rows: NDArray[np.float64]) -> float:
    """Mean F1 of the answers that occur: rows (answer, truth); an answer of -1 is silence."""
    scores = []
    for answer in np.unique(rows[:, 1]):
        hit = float(np.sum((rows[:, 0] == answer) & (rows[:, 1] == answer)))
        named = float(np.sum(rows[:, 0] == answer) + np.sum(rows[:, 1] == answer))
        scores.append(2 * hit / named)
    return float(np.mean(scores))


def mean_auc(rows: NDArray[np.float64]) -> float:
    """Mean over answers of the area under each one's curve against all others: rows (truth, probability of each)."""
    areas = [auc_of(k, rows) for k in range(rows.shape[1] - 1)]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")


def _auc(rows: NDArray[np.float64]) -> float:
    return auc(rows[:, :2])


PROBABILITY: tuple[tuple[Score, Curve], ...] = (
    (("AUC", ""), _auc),
    (("Brier score", ""), brier),
    (("calibration error", ""), calibration_error),
)
AT_THRESHOLD: tuple[tuple[Score, Curve], ...] = (
    (("sensitivity", ""), sensitivity),
    (("specificity", ""), specificity),
    (("F1", ""), f1),
)
