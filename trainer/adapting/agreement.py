"""How far two ways of telling the same number agree: rows are (found, reference).

References
----------
Bland, Altman, "Statistical methods for assessing agreement between two methods of clinical measurement", Lancet
327:307-310, 1986.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.adapting.case import Curve, Score

SPREADS = 1.96  # standard deviations: 95 % of differences lie within, if they are normal


def mean_absolute_error(rows: NDArray[np.float64]) -> float:
    """Of found against reference."""
    return float(np.mean(np.abs(rows[:, 0] - rows[:, 1])))


def bias(rows: NDArray[np.float64]) -> float:
    """Mean of found minus reference."""
    return float(np.mean(rows[:, 0] - rows[:, 1]))


def limits(rows: NDArray[np.float64]) -> tuple[float, float]:
    """Lower and upper 95 % limit of agreement; NaN of fewer than two rows."""
    if len(rows) < 2:
        return float("nan"), float("nan")
    half = SPREADS * float(np.std(rows[:, 0] - rows[:, 1], ddof=1))
    return bias(rows) - half, bias(rows) + half


def correlation(rows: NDArray[np.float64]) -> float:
    """Pearson's; NaN where either does not vary."""
    if not np.ptp(rows[:, 0]) or not np.ptp(rows[:, 1]):
        return float("nan")
    return float(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1])


def figures(name: str, unit: str) -> list[tuple[Score, Curve]]:
    """The figures of agreement of a number."""
    return [
        ((f"{name}, mean absolute error", unit), mean_absolute_error),
        ((f"{name}, bias", unit), bias),
        ((f"{name}, lower limit of agreement", unit), lambda rows: limits(rows)[0]),
        ((f"{name}, upper limit of agreement", unit), lambda rows: limits(rows)[1]),
        ((f"{name}, correlation", ""), correlation),
    ]
