"""Gates and spreads of numbers, closed on validation pictures and on the numbers that were learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.packages.settings_regression import RegressionSettings
from models.readers.regression import SPREADS
from trainer.adapting.case import Asked
from trainer.adapting.judging_numbers import said
from trainer.losses_regression import spread_factor
from trainer.tasks.truths import Number, Truth

LOST = 0.01  # share of the validation numbers that the gate of spreads may refuse
WIDER = 1.1  # than there: few patients are in validation


def regression(settings: RegressionSettings, seen: Sequence[Asked], learned: Sequence[Truth]) -> RegressionSettings:
    """Say no number outside those that were learned from; spreads as wide as errors are; none much wider than usual."""
    told = [
        (*number, asked.example.truth.value)
        for asked in seen
        if isinstance(asked.example.truth, Number) and (number := said(asked.findings, settings)) is not None
    ]
    known = [truth.value for truth in learned if isinstance(truth, Number) and np.isfinite(truth.value)]
    changed: dict[str, object] = {}
    if known:
        least, most = min(*known, settings.centre), max(*known, settings.centre)
        changed["plausible"] = (round(least, 2), round(most, 2))
    if told:
        value, half, truth = np.array(told, dtype=np.float64).T
        spread = half / SPREADS / settings.spread_factor
        factor = spread_factor(value, spread, truth)
        changed["spread_factor"] = round(factor, 4)
        changed["most_spread"] = round(WIDER * factor * float(np.quantile(spread, 1 - LOST)), 3)
    return settings.model_copy(update=changed)
