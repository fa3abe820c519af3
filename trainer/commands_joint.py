"""`echocare-train joint`: many tasks on one encoder, then a package of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import torch
import typer
from tqdm import tqdm

from models.engine import EngineError
from models.engine.device import cpu_has_bfloat16
from models.packages import PackageError
from trainer.errors import TrainerError
from trainer.joint.packing import packages, read_learned
from trainer.joint.pictures import gather
from trainer.joint.recipe import read_joint_recipe
from trainer.joint.training import JointTraining, start_of
from trainer.tasks import spec_of


def joint(
    recipe: Annotated[Path, typer.Option(help="YAML of recipe keys; trainer/recipes has some.")],
    data: Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
    initial: Annotated[
        list[Path] | None, typer.Option(help="Checkpoint, or packages of one encoder, to start from.")
    ] = None,
) -> None:
    """Learn many tasks on one encoder; run it again to go on where it stopped (Ctrl-C loses at most one epoch).

    `echocare-train joint-package` makes packages of what it leaves.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        chosen = read_joint_recipe(recipe)
        if chosen.bfloat16 and not cpu_has_bfloat16():
            typer.echo(f"{recipe} wants bfloat16, which this processor is slow in: set `bfloat16: false`", err=True)
        specs = [spec_of(task) for task in chosen.tasks]
        training = JointTraining(
            chosen, specs, gather(specs, data, chosen), out, start_of(list(initial)) if initial else None
        )
        with tqdm(total=training.steps, initial=training.step, unit="step", desc=out.name, dynamic_ncols=True) as bar:
            for done in training.run(lambda step, steps: _advance(bar)):
                words = "  ".join(f"{name} {value:.3f}" for name, value in done.losses.items())
                bar.write(f"epoch {done.epoch + 1} of {chosen.epochs}, {done.seconds:.0f} s: {words}")
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from the last whole epoch", err=True)
        raise typer.Exit(130) from None
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault


def joint_package(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a joint training.")],
    data: Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for the packages and their encoder.")],
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks.")] = None,
    recipe: Annotated[str, typer.Option(help="Name of the recipe's file, as cards tell the command.")] = "RECIPE",
) -> None:
    """Make packages of what `joint` left: gates from validation pictures, figures from test pictures."""
    cv2.setNumThreads(1)
    try:
        learned = read_learned(checkpoint, data, f"echocare-train joint --recipe {recipe} --data DIR")
        for card in packages(learned, data, out, task or ()):
            told = "; ".join(f"{figure.name} {figure.value:g}" for figure in card.figures)
            typer.echo(f"{card.task}: {told}")
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault


def _advance(bar: tqdm[None]) -> None:
    bar.update(1)
