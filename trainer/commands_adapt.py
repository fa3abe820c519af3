"""`echocare-train adapt`: one task on an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from tqdm import tqdm

from models.engine import EngineError
from models.packages import PackageError
from trainer.adapting import running
from trainer.adapting.loop import Progress
from trainer.adapting.memory import keep_freed
from trainer.adapting.plan import BASELINES, METHODS, Baseline, Method
from trainer.adapting.running import Order
from trainer.commands_evaluate import table_of
from trainer.errors import TrainerError
from trainer.tasks import SPECS

Data = Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")]


def adapt(  # noqa: PLR0913 - a command's options are its parameters
    data: Data,
    task: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SPECS)}.")] = None,
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
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 40,
    seed: Annotated[int, typer.Option(help="Of fresh weights, draws and the order of pictures.")] = 0,
) -> None:
    """Learn a task; run the same command again to go on where it stopped (Ctrl-C loses at most one epoch).

    The package lies in OUT/packages, a report with pictures beside the checkpoint. `joint` learns several tasks on one
    encoder.
    """
    if task is None or len(task) != 1:
        raise typer.BadParameter(f"tasks are learned one by one: say --task with one of {', '.join(SPECS)}")
    order = Order(
        task=task[0],
        data=data,
        out=out,
        method=_method(method),
        encoder=encoder,
        shots=shots,
        share=share,
        epochs=epochs,
        seed=seed,
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
                told, kept = running.adapt_rival(order, epoch, step)
                results, words = told.figures, f"figures of {told.name}: {kept}"
            else:
                packed, report = running.adapt(order, epoch, step, step)
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
