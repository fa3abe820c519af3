"""How far numbers are off that a task tells of a picture or of several, and whether its intervals hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.findings import Finding, Quantity
from models.packages.settings_regression import RegressionSettings
from models.readers.regression import UNCERTAINTY
from trainer.adapting.agreement import figures
from trainer.adapting.bland_altman import bland_altman
from trainer.adapting.case import Asked, Case, Score, means, over_rows
from trainer.evaluate import Result
from trainer.tasks.truths import Number

PAIR = "found, reference"


def regression_case(asked: Asked, settings: RegressionSettings) -> Case:
    """Judge one number; where none was said, that."""
    truth = asked.example.truth
    if not isinstance(truth, Number):
        raise TypeError(f"{asked.example.name} has no number")
    number = said(asked.findings, settings)
    scores: dict[Score, float] = {("answered", "%"): 100.0 * (number is not None)}
    if not np.isfinite(truth.value):
        return Case(asked=asked, goodness=0.0, scores=scores)
    scores[f"{settings.name}, error if the mean of training were said", settings.unit] = abs(
        settings.centre - truth.value
    )
    if number is None:
        return Case(asked=asked, goodness=-np.inf, scores=scores)
    value, half = number
    scores[f"{settings.name}, truth within the interval of 95 %", "%"] = 100.0 * (abs(value - truth.value) <= half)
    return Case(asked=asked, goodness=-abs(value - truth.value), scores=scores, rows={PAIR: (value, truth.value)})


def results(cases: Sequence[Case], settings: RegressionSettings, data: str) -> list[Result]:
    """Agreement of the numbers that were said, as far as there are enough, then means of all scores."""
    told = over_rows(cases, data, PAIR, figures(settings.name, settings.unit))
    return [*(each for each in told if np.isfinite(each.value)), *means(cases, data)]


def plots(cases: Sequence[Case], settings: RegressionSettings) -> list[str]:
    """One plot of Bland and Altman, as SVG; none where nothing was said."""
    rows = [case.rows[PAIR] for case in cases if PAIR in case.rows]
    if not rows:
        return []
    found, reference = zip(*rows, strict=True)
    return [bland_altman(reference, found, settings.unit, settings.name)]


def said(findings: Sequence[Finding], settings: RegressionSettings) -> tuple[float, float] | None:
    """The number and half of its 95 % interval; None where it was not said."""
    quantities = [finding for finding in findings if isinstance(finding, Quantity)]
    value = [each.value for each in quantities if each.name == settings.name]
    half = [each.value for each in quantities if each.code == UNCERTAINTY]
    return (value[0], half[0]) if value and half else None
