"""All that is told of how well a package does: figures, groups, false marks, others beside it, and its cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.packages.card import Card
from models.packages.package import CARD, TaskPackage, load_package
from trainer.adapting.baselines import baselines_of, latest
from trainer.adapting.beside import Beside, in_words, read_figures
from trainer.adapting.case import Case
from trainer.adapting.further import data_words, measured
from trainer.adapting.negatives import false_marks
from trainer.adapting.packing import DIGITS
from trainer.adapting.subgroups import SubgroupResult, sized, subgroups
from trainer.evaluate import PRECISION, Result, engine_of
from trainer.tasks import spec_of
from trainer.tasks.spec import Example, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """How a package did on the pictures of one split."""

    card: Card
    spec: TaskSpec
    cases: tuple[Case, ...]
    figures: tuple[Result, ...]
    groups: tuple[SubgroupResult, ...]
    false_marks: tuple[Result, ...]
    beside: tuple[Beside, ...] = ()


def evaluation(
    package: TaskPackage, data: Path, split: str, others: Sequence[Path] = (), precision: str = PRECISION
) -> Evaluation:
    """Measure a package as the node runs it; the same each time.

    Parameters
    ----------
    package
        Of a task that this trainer knows.
    data
        Folder of the data sets.
    split
        train, val or test.
    others
        To set beside it and the baselines that are kept here: folders of packages of the task, or files of figures.
    precision
        Of the engine: float32, which cards tell of, or bfloat16.

    Raises
    ------
    TrainerError
        The task is unknown, cannot be measured, or data are missing.
    EngineError, PackageError
        A package does not run.
    """
    spec = spec_of(package.identity.task)
    kept = baselines_of(spec) if split == "test" else ()
    examples = sized(spec, data, spec.examples(data, split))
    with engine_of(package, precision) as engine:
        cases, figures = measured(engine, spec, data, split, examples)
        false = false_marks(engine, spec, data, split, examples)
    return Evaluation(
        card=package.card,
        spec=spec,
        cases=tuple(cases),
        figures=tuple(figures),
        groups=subgroups(cases, package.card.settings, data_words(spec, split)),
        false_marks=false,
        beside=latest([*kept, *(_beside(other, spec, examples, data, split) for other in others)]),
    )


def differences(card: Card, found: Sequence[Result]) -> list[str]:
    """What a card says otherwise than was measured, in words; empty where each of its figures came out again.

    What was measured and is not on the card is no difference.
    """
    measured = {(each.name, each.data): each for each in found}
    told = []
    for figure in card.figures:
        mine = measured.get((figure.name, figure.data))
        words = f"{figure.name}, {figure.data}"
        if mine is None:
            told.append(f"{words}: on the card, and was not measured")
        elif (_rounded(mine), mine.unit, mine.n) != ((figure.value, figure.low, figure.high), figure.unit, figure.n):
            band = "" if figure.low is None else f" ({figure.low:g} to {figure.high:g})"
            told.append(
                f"{words}: {figure.value:g} {figure.unit}{band} of {figure.n} on the card, measured {in_words(mine)}"
                f" of {mine.n}"
            )
    return told


def _rounded(result: Result) -> tuple[float | None, ...]:
    """Value and bounds as a card has them."""
    return tuple(None if value is None else round(value, DIGITS) for value in (result.value, result.low, result.high))


def _beside(other: Path, spec: TaskSpec, examples: Sequence[Example], data: Path, split: str) -> Beside:
    if not (other / CARD).is_file():
        return read_figures(other)
    package = load_package(other)
    with engine_of(package) as engine:
        _, figures = measured(engine, spec, data, split, examples)
    whole = other.resolve()
    return Beside(name=f"{whole.parent.name}/{whole.name}", figures=tuple(figures))
