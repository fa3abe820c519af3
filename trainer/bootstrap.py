"""Intervals by resampling patients, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEED = 20_240_501
ROUNDS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and its 95 % interval; without bounds where one patient, or none with a figure, could be drawn."""

    value: float
    low: float | None
    high: float | None
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
    value = figure(table)
    drawn = [figure(table[chosen]) for chosen in _draws(tuple(patients), ROUNDS)] if np.isfinite(value) else []
    return _bounded(value, drawn, patients)


def interval_of_counts(
    patients: Sequence[str], figure: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Interval:
    """As `interval`, for a figure that can be computed for many rounds at once.

    Parameters
    ----------
    patients
        Whose picture each row is.
    figure
        From how often each row was drawn in each round, (rounds, n), to the figures (rounds,).
    """
    counts = np.stack([np.bincount(chosen, minlength=len(patients)) for chosen in _draws(tuple(patients), ROUNDS)])
    value = float(figure(np.ones((1, len(patients))))[0])
    return _bounded(value, figure(counts.astype(np.float64)), patients)


@lru_cache(maxsize=32)
def _draws(patients: tuple[str, ...], rounds: int) -> tuple[NDArray[np.int64], ...]:
    """The rows of each round; kept, because many figures are of the same pictures."""
    rows_of: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        rows_of.setdefault(patient, []).append(row)
    groups = [np.array(rows, dtype=np.int64) for rows in rows_of.values()]
    rng = np.random.default_rng(SEED)
    chosen = (rng.integers(0, len(groups), len(groups)) for _ in range(rounds))
    return tuple(np.concatenate([groups[i] for i in numbers]) for numbers in chosen)


def _bounded(value: float, drawn: ArrayLike, patients: Sequence[str]) -> Interval:
    found = np.asarray(drawn, dtype=np.float64)
    found = found[np.isfinite(found)]
    if len(set(patients)) < 2 or not len(found):
        return Interval(value=value, low=None, high=None, n=len(patients))
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high), n=len(patients))


def auc(pairs: NDArray[np.float64]) -> float:
    """Area under the receiver operating curve of rows (score, truth 0 or 1); NaN where one class is missing."""
    scores, truth = pairs[:, 0], pairs[:, 1] > 0.5
    if truth.all() or not truth.any():
        return float("nan")
    order = np.sort(scores)
    rank = (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right") + 1) / 2
    yes, no = int(truth.sum()), int((~truth).sum())
    return float((rank[truth].sum() - yes * (yes + 1) / 2) / (yes * no))
