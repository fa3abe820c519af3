"""`adapt` and `evaluate` for every task: the two outlines that share an encoder, and any task of `trainer.tasks`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from models.engine import Engine, EngineError
from models.packages import PackageError, load_package
from trainer.adapting.loop import Progress
from trainer.adapting.measuring import cases_of, results_of
from trainer.adapting.packing import data_words
from trainer.adapting.plan import METHODS, Method
from trainer.adapting.report import page
from trainer.adapting.running import Order, adapt
from trainer.errors import TrainerError
from trainer.evaluate import Result
from trainer.recipe import TASKS as OUTLINES
from trainer.tasks import SPECS, spec_of

Data = Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")]
EPOCHS = 40


def add_commands(app: typer.Typer, outlines: Callable[..., None], measure: Callable[..., None]) -> None:
    """Give the command line `adapt` and `evaluate`.

    Parameters
    ----------
    app
        The command line.
    outlines
        `adapt` of the tasks that are learned together on an encoder of their own.
    measure
        `evaluate` of their packages.
    """

    @app.command("adapt")
    def adapt_command(  # noqa: PLR0913 - a command's options are its parameters
        data: Data,
        task: Annotated[
            list[str] | None, typer.Option(help=f"{', '.join(OUTLINES)} (together); or one of {', '.join(SPECS)}.")
        ] = None,
        out: Annotated[Path, typer.Option(help="Folder for checkpoints and packages.")] = Path("runs/adapt"),
        encoder: Annotated[Path | None, typer.Option(help="Encoder package; without, the bundled one.")] = None,
        method: Annotated[
            str, typer.Option(help="frozen: heads; lora: heads and an adapter; full: the encoder too.")
        ] = "frozen",
        shots: Annotated[int | None, typer.Option(min=1, help="Learn from so many pictures, of each answer.")] = None,
        share: Annotated[
            float | None,
            typer.Option(help="Learn from so many of the training patients, 0.1 for a tenth; not with --shots."),
        ] = None,
        baseline: Annotated[
            bool, typer.Option("--baseline", help="The same network from scratch, told on the card of the other.")
        ] = False,
        epochs: Annotated[int | None, typer.Option(min=1, help=f"At most; {EPOCHS}, or the recipe's.")] = None,
        seed: Annotated[int | None, typer.Option(help="0, or the recipe's.")] = None,
        recipe: Annotated[
            Path | None, typer.Option(help="Of the outlines: YAML of recipe keys, for one stage.")
        ] = None,
        initial: Annotated[
            list[Path] | None, typer.Option(help="Of the outlines: checkpoint, or packages of one encoder.")
        ] = None,
    ) -> None:
        """Learn a task; run the same command again to go on where it stopped (Ctrl-C loses at most one epoch).

        The package lies in OUT/packages, a report with pictures beside the checkpoint. Without --task, or with the
        outlines alone, these learn together with an encoder of their own, by recipe, as several processes where
        `torchrun --no-python` starts them.
        """
        asked = list(task or OUTLINES)
        if set(asked) <= set(OUTLINES):
            if encoder is not None or shots is not None or share is not None or baseline or method != "frozen":
                raise typer.BadParameter(
                    "--encoder, --method, --shots, --share and --baseline are not for outlines together"
                )
            outlines(data, asked, out, recipe, initial, epochs, seed)
            return
        if len(asked) != 1 or recipe is not None or initial:
            raise typer.BadParameter(f"other tasks than {', '.join(OUTLINES)} are learned one by one, by no recipe")
        order = Order(
            task=asked[0],
            data=data,
            out=out,
            method=_method(method),
            encoder=encoder,
            shots=shots,
            share=share,
            epochs=epochs or EPOCHS,
            seed=seed or 0,
            baseline=baseline,
        )
        _run(order)

    @app.command("evaluate")
    def evaluate_command(
        package: Annotated[Path, typer.Argument(help="Folder of a task package.")],
        data: Data,
        split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
        scope: Annotated[
            bool, typer.Option("--scope/--no-scope", help="Of the outlines: ask what they must not.")
        ] = False,
        report: Annotated[Path | None, typer.Option(help="HTML file with pictures of cases; not of outlines.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    ) -> None:
        """Measure a package as the node runs it, with 95 % bootstrap intervals by patient."""
        try:
            loaded = load_package(package)
            if loaded.identity.task in OUTLINES:
                measure(package, data, split, scope, as_json)
                return
            spec = spec_of(loaded.identity.task)
            with Engine([loaded], device="cpu") as engine:
                cases = cases_of(engine, spec.name, spec.examples(data, split))
            found = results_of(cases, loaded.card.settings, data_words(spec, split))
        except (TrainerError, PackageError, EngineError) as fault:
            typer.echo(str(fault), err=True)
            raise typer.Exit(1) from fault
        if report is not None:
            report.write_text(page(loaded.card, found, cases), encoding="utf-8")
        if as_json:
            figures = [asdict(result) for result in found]
            typer.echo(json.dumps({"package_digest": loaded.identity.digest, "figures": figures}))
            return
        _show(found)


def _run(order: Order) -> None:
    cv2.setNumThreads(1)
    bar: tqdm[None] = tqdm(unit="step", desc=order.task, dynamic_ncols=True)

    def step(done: int, total: int) -> None:
        bar.total = total
        bar.n = done
        bar.refresh()

    def epoch(done: Progress) -> None:
        mark = "  (best)" if done.best else ""
        words = f"epoch {done.epoch + 1}, {done.seconds:.0f} s: loss {done.loss:.3f}  validation {done.validation:.3f}"
        bar.write(words + mark)

    try:
        with bar:
            packed, report = adapt(order, epoch, step, step)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from the last whole epoch", err=True)
        raise typer.Exit(130) from None
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    _show(list(packed.results))
    typer.echo(f"package {packed.package.path}, report {report}")


def _method(word: str) -> Method:
    for method in METHODS:
        if word == method and method != "scratch":
            return method
    raise typer.BadParameter(f"--method is {', '.join(METHODS[:-1])}, not '{word}'")


def _show(found: list[Result]) -> None:
    table = Table("data", "figure", "value", "95 % interval", "n")
    for r in found:
        band = "" if r.low is None or r.high is None else f"{r.low:.3f} to {r.high:.3f}"
        table.add_row(r.data, r.name, f"{r.value:.4f} {r.unit}".strip(), band, str(r.n))
    Console().print(table)
