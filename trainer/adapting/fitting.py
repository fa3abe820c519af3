"""Few numbers fitted to many answers: temperatures and shifts that make probabilities honest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

RIDGE = 0.5  # holds each number near nothing to do, as if half a picture said so


def temperature_of(logs: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """By what log-probabilities or logits (n, answers) must be divided to fit the right answers (n,) best.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    given, right = torch.tensor(logs), torch.tensor(truth)
    (slope,) = _fitted(lambda free: F.cross_entropy(given * free[0].exp(), right, reduction="sum"), 1)
    return round(float(np.exp(-slope)), 4)


def platt_of(logits: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[float, float]:
    """Temperature and shift that make logits (n,) of a yes-or-no question fit its answers (n,), 0 or 1, best.

    References
    ----------
    Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """
    given, right = torch.tensor(logits), torch.tensor(truth)

    def loss(free: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(given * free[0].exp() + free[1], right, reduction="sum")

    slope, shift = _fitted(loss, 2)
    return round(float(np.exp(-slope)), 4), round(shift, 4)


def ordinal_of(beyond: NDArray[np.float64], grades: NDArray[np.int64]) -> tuple[float, float]:
    """Temperature and shift that make cumulative logits (n, grades - 1) fit the right grades (n,) best."""
    given, right = torch.tensor(beyond), torch.tensor(grades)

    def loss(free: Tensor) -> Tensor:
        above = torch.sigmoid(given * free[0].exp() + free[1])
        ends = torch.ones_like(above[:, :1])
        likely = -torch.diff(torch.cat([ends, above, 0 * ends], dim=1), dim=1)
        return -likely.gather(1, right[:, None]).clamp(min=1e-9).log().sum()

    slope, shift = _fitted(loss, 2)
    return round(float(np.exp(-slope)), 4), round(shift, 4)


def _fitted(loss: Callable[[Tensor], Tensor], count: int) -> list[float]:
    free = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    fit = torch.optim.LBFGS([free], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        fit.zero_grad()
        value = loss(free) + RIDGE * (free**2).sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return value

    fit.step(step)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return [float(value) for value in free.detach()]
