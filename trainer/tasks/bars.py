"""What a task has to reach on test pictures before a reader may be shown what it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class Measured(Protocol):
    """A figure, on a card or not yet."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def unit(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The least or the most that a figure may be, in the figure's own unit."""

    figure: str  # its name on cards; of several data sets the first, which is the task's own
    least: float = float("-inf")
    most: float = float("inf")


def trial_of(bars: Iterable[Bar], figures: Iterable[Measured]) -> str | None:
    """Why a package is a trial: each bar that it missed, in words; None where it missed none.

    A figure that could not be measured, because nothing was answered, is missed too.
    """
    found: dict[str, Measured] = {}
    for figure in figures:
        found.setdefault(figure.name, figure)
    missed = [words for bar in bars if (words := _missed(bar, found.get(bar.figure))) is not None]
    return "; ".join(missed) or None


def _missed(bar: Bar, figure: Measured | None) -> str | None:
    if figure is None:
        return f"{bar.figure} could not be measured"
    if bar.least <= figure.value <= bar.most:
        return None
    asked = f"at least {bar.least:g}" if figure.value < bar.least else f"at most {bar.most:g}"
    unit = f" {figure.unit}" if figure.unit else ""
    return f"{bar.figure} is {figure.value:.3g}{unit}, asked is {asked}"
