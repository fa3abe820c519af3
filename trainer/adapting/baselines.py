"""Figures of other networks that come with this repository, so that a package's own never stand alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trainer.adapting.beside import Beside, in_words, read_figures
from trainer.tasks.spec import TaskSpec

KEPT = Path(__file__).parent.parent / "baselines"  # what `adapt --baseline cnn` left in OUT/baselines
CONVOLUTION = "a convolutional network"  # with which the sentence about one begins on a card


def baselines_of(spec: TaskSpec) -> tuple[Beside, ...]:
    """The figures that were kept for a task, on the test pictures of its data.

    Raises
    ------
    NoFigures
        A file is of another shape.
    """
    return tuple(map(read_figures, sorted(KEPT.glob(f"{spec.name}-cnn.json"))))


def on_card(spec: TaskSpec) -> str:
    """What the card of a new package says of baselines, a line each; empty where none was measured."""
    told = [sentence(each, spec) for each in baselines_of(spec)]
    return "\n".join([spec.baseline, *told] if spec.baseline else told)


def sentence(told: Beside, spec: TaskSpec) -> str:
    """The headline figures of another network."""
    chosen = "; ".join(f"{each.name} {in_words(each)}" for each in told.figures if each.name in spec.headline)
    hours = f", {told.hours:g} h" if told.hours else ""
    return f"{told.name}, from scratch{hours}: {chosen} on the same test pictures"


def latest(columns: Iterable[Beside]) -> tuple[Beside, ...]:
    """Columns without those that a later one of the same name replaces."""
    return tuple({each.name: each for each in columns}.values())
