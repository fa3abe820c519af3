"""What a package said of one picture, and how far it was right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding
from models.frames import Place
from models.readers import Raw
from trainer.bootstrap import interval, interval_of_counts
from trainer.evaluate import Result
from trainer.tasks.spec import Example

Score: TypeAlias = tuple[str, str]  # name of a figure and its unit
Curve: TypeAlias = Callable[[NDArray[np.float64]], float]  # rows to a figure
CurveOfCounts: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """One picture and all that was said of it."""

    example: Example
    findings: tuple[Finding, ...]
    raw: Raw  # what the heads said, before any gate
    place: Place  # of the square in the picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One picture judged."""

    asked: Asked
    goodness: float  # the greater, the better: to find best, median and worst
    scores: dict[Score, float] = field(default_factory=dict)  # figures whose mean is told
    rows: dict[str, tuple[float, ...]] = field(default_factory=dict)  # what figures of many pictures are made from


def means(cases: Sequence[Case], data: str) -> list[Result]:
    """The mean of each score over the cases that have it, in the order in which scores come up."""
    names = list(dict.fromkeys(name for case in cases for name in case.scores))
    return [result(name, data, [(c, (c.scores[name],)) for c in cases if name in c.scores], mean) for name in names]


def over_rows(cases: Sequence[Case], data: str, rows: str, figures: Sequence[tuple[Score, Curve]]) -> list[Result]:
    """Figures of the rows of one name; none where no case has any, or where they do not allow a figure."""
    mine = [(case, case.rows[rows]) for case in cases if rows in case.rows]
    found = [result(score, data, mine, figure) for score, figure in figures] if mine else []
    return [each for each in found if np.isfinite(each.value)]


def result(score: Score, data: str, rows: Sequence[tuple[Case, tuple[float, ...]]], figure: Curve) -> Result:
    """A figure with its 95 % bootstrap interval by patient."""
    found = interval([row for _, row in rows], [case.asked.example.patient for case, _ in rows], figure)
    name, unit = score
    return Result(name=name, data=data, value=found.value, low=found.low, high=found.high, unit=unit, n=found.n)


def result_of_counts(score: Score, data: str, cases: Sequence[Case], figure: CurveOfCounts) -> Result:
    """As `result`, for a figure that takes how often each case was drawn, (rounds, cases), and gives (rounds,)."""
    found = interval_of_counts([case.asked.example.patient for case in cases], figure)
    name, unit = score
    return Result(name=name, data=data, value=found.value, low=found.low, high=found.high, unit=unit, n=found.n)


def mean(rows: NDArray[np.float64]) -> float:
    """Of the first column."""
    return float(np.mean(rows[:, 0]))
