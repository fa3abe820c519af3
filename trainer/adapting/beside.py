"""Figures of something else on the same pictures, to set beside those of a package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from models.packages.card import Figure
from trainer.errors import TrainerError
from trainer.evaluate import Result


class NoFigures(TrainerError):
    """A file of figures cannot be read."""

    code = "no-figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a column of a table tells."""

    name: str  # of the column, "from scratch"
    figures: tuple[Result, ...]
    command: str = ""  # that makes them again
    hours: float = 0.0  # of learning; 0 where it is not told
    machine: str = ""

    def cell(self, result: Result) -> str:
        """The same figure of the same pictures, with its interval; empty where it is not known."""
        for each in self.figures:
            if (each.name, each.data) == (result.name, result.data):
                return in_words(each)
        return ""


def in_words(result: Result) -> str:
    """A figure with unit and interval: "0.9123 (0.900 to 0.920)"."""
    return f"{value_of(result)} ({band_of(result)})" if band_of(result) else value_of(result)


def value_of(result: Result) -> str:
    """A figure with its unit."""
    return f"{result.value:.4f} {result.unit}".strip()


def band_of(result: Result) -> str:
    """The interval of a figure; empty where there is none."""
    return "" if result.low is None or result.high is None else f"{result.low:.3f} to {result.high:.3f}"


def of_card(name: str, figures: Sequence[Figure]) -> Beside:
    """The figures of a card."""
    told = (Result(**figure.model_dump(exclude={"note"})) for figure in figures)
    return Beside(name=name, figures=tuple(told))


def write_figures(told: Beside, path: Path) -> None:
    """Keep figures in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(told), indent=1), encoding="utf-8")


def read_figures(path: Path) -> Beside:
    """Read what `write_figures` wrote.

    Raises
    ------
    NoFigures
        The file is not there or of another shape.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Beside(**{**told, "figures": tuple(Result(**each) for each in told["figures"])})
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NoFigures(f"{path} is neither a package nor figures that 'adapt --baseline cnn' kept: {fault}") from fault
