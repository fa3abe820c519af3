"""By how much one way of learning is better than another, on the same test pictures, with an interval.

Patients of each task are drawn with replacement, the same ones for both ways and all draws of training patients; where
there are several draws, these are drawn with replacement as well, because another tenth of the patients would have
given another difference. The mean over tasks is of the same rounds, in which each task is drawn for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.arms import Run, figure_of, spec_at, table
from trainer.bootstrap import ROUNDS, SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The figure of one way less that of the other, 0 to 1."""

    task: str  # or several
    theirs: float  # mean over draws
    ours: float
    value: float
    low: float  # 95 % interval
    high: float
    pictures: int  # of the test splits
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rounds:
    """A task's difference, and what it was in each round of the bootstrap."""

    difference: Difference
    drawn: NDArray[np.float64]  # (rounds,); NaN where a round allows no figure


def of_task(theirs: Sequence[Run], ours: Sequence[Run], rounds: int = ROUNDS) -> Rounds:
    """The difference of one task.

    Parameters
    ----------
    theirs, ours
        A run for each draw of training patients, in the same order.

    Raises
    ------
    ValueError
        They were not measured on the same pictures.
    """
    asked = [outcome.picture for outcome in ours[0].outcomes]
    if any([outcome.picture for outcome in run.outcomes] != asked for run in (*theirs, *ours)):
        raise ValueError(f"runs of {ours[0].arm.task} were measured on different pictures: remove runs.jsonl")
    figure = figure_of(spec_at(ours[0].arm).settings)
    pairs = [(table(a.outcomes), table(b.outcomes)) for a, b in zip(theirs, ours, strict=True)]
    of_patient: dict[str, list[int]] = {}
    for row, outcome in enumerate(ours[0].outcomes):
        of_patient.setdefault(outcome.patient, []).append(row)
    groups = [np.array(rows) for rows in of_patient.values()]
    rng = np.random.default_rng([SEED, *ours[0].arm.task.encode()])
    drawn = []
    for _ in range(rounds):
        rows = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        chosen = [pairs[i] for i in rng.integers(0, len(pairs), len(pairs))]
        drawn.append(np.mean([figure(b[rows]) - figure(a[rows]) for a, b in chosen]))
    whole = [(figure(a), figure(b)) for a, b in pairs]
    before, after = (float(np.mean(side)) for side in zip(*whole, strict=True))
    difference = _bounded(ours[0].arm.task, (before, after), np.array(drawn), (len(asked), len(groups)))
    return Rounds(difference=difference, drawn=np.array(drawn))


def over_tasks(name: str, tasks: Sequence[Rounds]) -> Difference:
    """The mean of the differences of several tasks, each of the same weight."""
    each = [task.difference for task in tasks]
    sides = float(np.mean([one.theirs for one in each])), float(np.mean([one.ours for one in each]))
    counts = sum(one.pictures for one in each), sum(one.patients for one in each)
    return _bounded(name, sides, np.mean([task.drawn for task in tasks], axis=0), counts)


def _bounded(name: str, sides: tuple[float, float], drawn: NDArray[np.float64], counts: tuple[int, int]) -> Difference:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Difference(
        task=name,
        theirs=sides[0],
        ours=sides[1],
        value=sides[1] - sides[0],
        low=float(low),
        high=float(high),
        pictures=counts[0],
        patients=counts[1],
    )
