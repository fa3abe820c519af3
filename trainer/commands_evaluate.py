"""`echocare-train evaluate`: figures, groups, false marks and baselines of a package, as table, JSON and HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import cv2
import typer
from rich.console import Console
from rich.table import Table

from models.engine import EngineError
from models.packages import PackageError, load_package
from models.packages.card import SilenceFigure
from models.packages.package import TaskPackage
from trainer.adapting import packing
from trainer.adapting.beside import Beside, band_of, value_of
from trainer.adapting.evaluation import Evaluation, differences, evaluation
from trainer.adapting.measuring import plots_of
from trainer.adapting.report import Page, page
from trainer.adapting.silence import silences
from trainer.adapting.subgroups import counted, headlines
from trainer.errors import TrainerError
from trainer.evaluate import PRECISION, Result, engine_of
from trainer.tasks import spec_of

Data = Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")]


def evaluate(  # noqa: PLR0913 - a command's options are its parameters
    package: Annotated[Path, typer.Argument(help="Folder of a task package.")],
    data: Data,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    scope: Annotated[bool, typer.Option("--scope/--no-scope", help="Also ask it what it should not answer.")] = False,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another package of the task, or figures of 'adapt --baseline cnn': a column of its own."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file with pictures of cases.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the card; exit status 1 where they differ.")
    ] = False,
    precision: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Of the passes; cards tell of float32.")
    ] = PRECISION,
    write: Annotated[
        bool, typer.Option("--write", help="First write the figures of the test split to the card.")
    ] = False,
) -> None:
    """Measure a package as the node runs it, with 95 % bootstrap intervals by patient; the same each time.

    Figures of all pictures, then of groups (device, data set, size of what is looked for by thirds of the train split,
    and what else the index tells), then what is marked in pictures without anything to mark.
    """
    cv2.setNumThreads(1)
    try:
        if write:
            packing.describe(spec_of(load_package(package).identity.task), data, package)
        loaded = load_package(package)
        told = evaluation(loaded, data, split, beside or (), precision)
        quiet = _silences(loaded, data) if scope else []
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    if report is not None:
        report.write_text(page(told.card, page_of(told)), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(document(told, loaded.identity.digest, quiet), allow_nan=False))
    else:
        _show(told, quiet)
    if check:
        _compare(told)


def page_of(told: Evaluation) -> Page:
    """What a report tells of an evaluation."""
    return Page(
        results=told.figures,
        cases=told.cases,
        beside=told.beside,
        groups=told.groups,
        headline=told.spec.headline,
        false_marks=told.false_marks,
        plots=plots_of(told.cases, told.card.settings),
    )


def document(told: Evaluation, digest: str, quiet: Sequence[SilenceFigure] = ()) -> dict[str, object]:
    """An evaluation for other programs: plain values, without pictures and without names of patients."""
    return {
        "package_digest": digest,
        "figures": [asdict(each) for each in told.figures],
        "subgroups": [{**asdict(each), "too_small": each.too_small} for each in told.groups],
        "false_marks": [asdict(each) for each in told.false_marks],
        "beside": [asdict(each) for each in told.beside],
        "out_of_scope": [each.model_dump() for each in quiet],
    }


def table_of(results: Sequence[Result], beside: Sequence[Beside] = ()) -> Table:
    """Figures as a table for a terminal, others beside them."""
    table = Table("data", "figure", "value", "95 % interval", "n", *(each.name.partition(" (")[0] for each in beside))
    for r in results:
        table.add_row(r.data, r.name, value_of(r), band_of(r), str(r.n), *(each.cell(r) for each in beside))
    return table


def _show(told: Evaluation, quiet: Sequence[SilenceFigure]) -> None:
    console = Console()
    console.print(table_of(told.figures, told.beside))
    if told.groups:
        groups = Table("trait", "group", "patients", "figure", "value", "95 % interval", "n")
        for group in told.groups:
            for r in headlines(group.figures, told.spec.headline):
                groups.add_row(group.trait, group.value, counted(group), r.name, value_of(r), band_of(r), str(r.n))
        console.print(groups)
    if told.false_marks:
        console.print(table_of(told.false_marks))
    for each in quiet:
        typer.echo(f"{each.data}: {each.answered} of {each.n} answered (in training: {each.seen_in_training})")


def _compare(told: Evaluation) -> None:
    found = differences(told.card, told.figures)
    for words in found:
        typer.echo(words, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo(f"all {len(told.card.figures)} figures of the card were measured again, to the digit", err=True)


def _silences(loaded: TaskPackage, data: Path) -> list[SilenceFigure]:
    with engine_of(loaded) as engine:
        return silences(engine, spec_of(loaded.identity.task), data)
