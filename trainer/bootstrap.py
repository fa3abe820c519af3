"""Intervals by resampling patients, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEED = 20_240_501
ROUNDS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def interval(values: ArrayLike, patients: Sequence[str], figure: Callable[[NDArray[np.float64]], float]) -> Interval:
    """A figure of values, with the 2.5 and 97.5 percentiles of its bootstrap by patient.

    Parameters
    ----------
    values
        (n, …): one row a picture.
    patients
        Whose picture each row is; a patient's rows are drawn together.
    figure
        Computes the figure from rows; a round in which it is not a number is left out.
    """
    table = np.asarray(values, dtype=np.float64)
    rows_of: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        rows_of.setdefault(patient, []).append(row)
    groups: list[NDArray[Any]] = [np.array(rows) for rows in rows_of.values()]
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(ROUNDS):
        chosen = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        drawn.append(figure(table[chosen]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Interval(value=figure(table), low=float(low), high=float(high), n=len(table))


def auc(pairs: NDArray[np.float64]) -> float:
    """Area under the receiver operating curve of rows (score, truth 0 or 1); NaN where one class is missing."""
    scores, truth = pairs[:, 0], pairs[:, 1] > 0.5
    if truth.all() or not truth.any():
        return float("nan")
    order = np.sort(scores)
    rank = (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right") + 1) / 2
    yes, no = int(truth.sum()), int((~truth).sum())
    return float((rank[truth].sum() - yes * (yes + 1) / 2) / (yes * no))
