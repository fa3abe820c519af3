"""What makes numbers right and their spreads honest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegressionTarget:
    """The numbers of a batch of pictures or clips."""

    value: Tensor  # (batch,), in the unit of the settings; NaN: not known


def regression_loss(
    number: Tensor, target: RegressionTarget, *, centre: float, scale: float, balance: float = 0.5
) -> Tensor:
    """Negative log-likelihood of a normal distribution, the mean over known numbers; 0 without any.

    Parameters
    ----------
    number
        Of `RegressionHead.pool`: (batch, 2).
    target
        The truth.
    centre, scale
        Of the settings.
    balance
        0: the plain likelihood, which neglects cases that it first called unsure; 1: as the squared error weighs them.

    References
    ----------
    Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty Estimation", ICLR 2022.
    """
    known = torch.isfinite(target.value)
    truth = (torch.nan_to_num(target.value.float()) - centre) / scale
    value, log_variance = number.float().unbind(1)
    variance = log_variance.exp()
    loss = (log_variance + (truth - value) ** 2 / variance) / 2 * variance.detach() ** balance
    return torch.where(known, loss, torch.zeros_like(loss)).sum() / known.sum().clamp(min=1)


def spread_factor(
    value: NDArray[np.float64], spread: NDArray[np.float64], truth: NDArray[np.float64], most: float = 10.0
) -> float:
    """By what the spreads must be multiplied to be as wide as the errors are.

    Parameters
    ----------
    value, spread, truth
        (n,), in the unit, of validation data; spreads with a factor of 1.
    most
        Errors of more spreads than that count as so many: one wrong label must not widen all intervals.

    Raises
    ------
    ValueError
        There are no numbers.
    """
    if not len(value):
        raise ValueError("a spread factor needs validation numbers")
    off = np.minimum(np.abs(truth - value) / np.maximum(spread, 1e-12), most)
    return float(np.sqrt(np.mean(off**2)))
