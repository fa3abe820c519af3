"""From a finished adaptation to a package with gates, calibration, measured figures and an honest card."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.packages.card import Card, Figure, Training, card_text
from models.packages.encoders import EncoderPackage
from models.packages.folders import ENCODERS
from models.packages.package import BUNDLED, CARD, TaskPackage, load_package
from models.packages.weights import stored
from models.packages.writing import About, write_encoder, write_package
from trainer.adapting.case import Case
from trainer.adapting.closing import closed
from trainer.adapting.further import measured, validation
from trainer.adapting.loop import Adaptation
from trainer.adapting.measuring import ask
from trainer.adapting.pool import few
from trainer.adapting.silence import silences
from trainer.adapting.typical import compare, keep_scope
from trainer.cards import SPLIT, draft
from trainer.evaluate import Result, engine_of
from trainer.machine import machine
from trainer.tasks.bars import trial_of
from trainer.tasks.spec import TaskSpec
from trainer.tasks.truths import Truth

DIGITS = 4  # of figures on a card


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """A package on disk, and how it did on the test pictures."""

    package: TaskPackage
    cases: tuple[Case, ...]
    results: tuple[Result, ...]


def pack(
    adaptation: Adaptation,
    given: EncoderPackage | None,
    data: Path,
    folder: Path,
    command: str,
    scope_of: TaskPackage | None = None,
) -> Packed:
    """Write the package: weights, then gates from validation pictures, then figures from test pictures.

    Parameters
    ----------
    adaptation
        Whose `run` came to its end.
    given
        The encoder that it started from; None from scratch.
    data
        Folder of the data sets.
    folder
        Of the package; encoders go into `encoders` beside it.
    command
        With which this can be done again.
    scope_of
        A package on the same encoder, as it is, whose gates of what is in scope are kept; None: they are learned and
        closed with the others.

    Raises
    ------
    MissingData
        A split of the task's data is not there.
    LearnedTooLittle
        It outlines none of the validation pictures well.
    EngineError, PackageError
        The package does not run.
    """
    spec, pupil = adaptation.spec, adaptation.pupil
    card = _draft(adaptation, command)
    encoder = _encoder(adaptation, given, card, folder.parent / ENCODERS)
    learned = few(spec.examples(data, "train"), adaptation.plan.shots, adaptation.plan.seed, adaptation.plan.share)
    if scope_of is None:
        card = compare(pupil.heads, card, pupil.maps, learned)
    else:
        card = keep_scope(pupil.heads, card, scope_of)
    write_package(pupil.heads, card, encoder, folder, pupil.adapter)
    close(spec, data, folder, [example.truth for example in learned], scope_of)
    return describe(spec, data, folder)


def close(
    spec: TaskSpec, data: Path, folder: Path, learned: Sequence[Truth], scope_of: TaskPackage | None = None
) -> None:
    """Close a package's gates and calibrate it on validation pictures, in its card; raises as `pack`.

    Parameters
    ----------
    learned
        Truths of the pictures that it learned from.
    scope_of
        As of `pack`.
    """
    package = load_package(folder)
    with engine_of(package) as engine:
        seen = [ask(engine, spec.name, example) for example in validation(spec, data)]
    settings = closed(package.card.settings, seen, learned)
    if scope_of is not None:
        kept = scope_of.card.settings
        settings = settings.model_copy(update={"scope": kept.scope, "unlike": kept.unlike})
    _rewrite(package.card.model_copy(update={"settings": settings}), folder)


def describe(spec: TaskSpec, data: Path, folder: Path) -> Packed:
    """Measure a package on the test pictures and write the figures into its card; raises as `pack`."""
    package = load_package(folder)
    with engine_of(package) as engine:
        cases, results = measured(engine, spec, data, "test", spec.examples(data, "test"))
        silence = silences(engine, spec, data)
    figures = tuple(map(figure, results))
    changed = {"figures": figures, "silence": tuple(silence), "trial": trial_of(spec.bars, figures)}
    _rewrite(package.card.model_copy(update=changed), folder)
    return Packed(package=load_package(folder), cases=tuple(cases), results=tuple(results))


def note_baseline(folder: Path, baseline: Path, spec: TaskSpec) -> None:
    """Write the headline figures of a baseline package into a package's card; both lie on disk."""
    card = load_package(baseline).card
    chosen = [f for f in card.figures if f.name in spec.headline]
    words = "; ".join(f"{f.name} {f.value:g}{_band(f)}" for f in chosen)
    told = f"the same network from scratch, {card.training.hours:g} h: {words} on the same test pictures"
    _rewrite(load_package(folder).card.model_copy(update={"baseline": told}), folder)


def figure(result: Result) -> Figure:
    """A measured figure as a card has it."""
    return Figure(
        name=result.name,
        data=result.data,
        value=round(result.value, DIGITS),
        low=None if result.low is None else round(result.low, DIGITS),
        high=None if result.high is None else round(result.high, DIGITS),
        unit=result.unit,
        n=result.n,
    )


def _draft(adaptation: Adaptation, command: str) -> Card:
    spec, plan = adaptation.spec, adaptation.plan
    taught = adaptation.pupil.trained_numbers()
    training = Training(
        data=adaptation.pool.data,
        split=SPLIT,
        command=command,
        seed=plan.seed,
        hours=round(adaptation.seconds / 3600, 2),
        machine=machine(),
        notes=f"Method {plan.method}: {taught} numbers trained, {adaptation.next_epoch} of at most {plan.epochs}"
        f" epochs, ended by validation; plan {plan.digest()[:12]}.",
    )
    return draft(spec, spec.size, plan.architecture, training)


def _encoder(adaptation: Adaptation, given: EncoderPackage | None, card: Card, into: Path) -> EncoderPackage:
    """The encoder package that the task names, where `load_package` finds it."""
    if given is None or adaptation.plan.trains_encoder:
        about = About(
            title=f"Ultrasound encoder {card.encoder.name}, trained with the task {card.task}",
            data=(*card.training.data, *(given.card.data if given is not None else ())),
            origin=card.training.command,
            notes=card.training.notes,
        )
        return write_encoder(stored(adaptation.pupil.encoder, torch.float16), card.encoder.name, about, into)
    if not given.path.resolve().is_relative_to(BUNDLED) and not (into / given.path.name).exists():
        shutil.copytree(given.path, into / given.path.name)
    return given


def _rewrite(card: Card, folder: Path) -> None:
    (folder / CARD).write_text(card_text(card), encoding="utf-8")


def _band(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f" ({figure.low:g} to {figure.high:g})"
