"""`adapt` for every task: the two outlines that share an encoder, and any task of `trainer.tasks`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from tqdm import tqdm

from models.engine import EngineError
from models.packages import PackageError
from trainer.adapting.loop import Progress
from trainer.adapting.memory import keep_freed
from trainer.adapting.plan import BASELINES, METHODS, Baseline, Method
from trainer.adapting.running import Order, adapt, adapt_rival
from trainer.commands_evaluate import table_of
from trainer.errors import TrainerError
from trainer.recipe import TASKS as OUTLINES
from trainer.tasks import SPECS

Data = Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")]
EPOCHS = 40


def add_commands(app: typer.Typer, outlines: Callable[..., None]) -> None:
    """Give the command line `adapt`.

    Parameters
    ----------
    app
        The command line.
    outlines
        `adapt` of the tasks that are learned together on an encoder of their own.
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
            str | None,
            typer.Option(
                help="scratch: the same network from scratch; cnn: a convolutional one. Told on the card of the other."
            ),
        ] = None,
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
            baseline=_baseline(baseline),
        )
        _run(order)


def _run(order: Order) -> None:
    cv2.setNumThreads(1)
    keep_freed()
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
            if order.baseline == "cnn":
                told, kept = adapt_rival(order, epoch, step)
                results, words = told.figures, f"figures of {told.name}: {kept}"
            else:
                packed, report = adapt(order, epoch, step, step)
                results, words = packed.results, f"package {packed.package.path}, report {report}"
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from the last whole epoch", err=True)
        raise typer.Exit(130) from None
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    Console().print(table_of(results))
    typer.echo(words)


def _method(word: str) -> Method:
    for method in METHODS:
        if word == method and method != "scratch":
            return method
    raise typer.BadParameter(f"--method is {', '.join(METHODS[:-1])}, not '{word}'")


def _baseline(word: str | None) -> Baseline | None:
    for baseline in BASELINES:
        if word == baseline:
            return baseline
    if word is None:
        return None
    raise typer.BadParameter(f"--baseline is {' or '.join(BASELINES)}, not '{word}'")
