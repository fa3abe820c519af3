"""`echocare-train`: learn a task, and measure it."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from models.engine import EngineError
from models.packages import PackageError
from models.packages.card import Figure
from trainer import parallel
from trainer.commands_adapt import add_commands
from trainer.commands_data import cohort, shards
from trainer.commands_evaluate import evaluate
from trainer.commands_joint import joint, joint_package
from trainer.commands_pretrain import pretrain
from trainer.commands_promote import site
from trainer.data.cohort import load_cohort, load_outsiders
from trainer.data.synthetic import phantoms
from trainer.errors import TrainerError
from trainer.evaluate import Result
from trainer.lineage import read_checkpoint, read_start
from trainer.package import build, describe
from trainer.recipe import TASKS, Recipe, read_recipe
from trainer.training import Pool, Trainer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Learn task packages and measure them.")
RECIPES = Path(__file__).parent / "recipes"
STAGES = ("learn", "refine", "finish", "polish")
Data = Annotated[Path, typer.Option(envvar="ECHOCARE_DATA", help="Folder that holds the data sets.")]

app.command()(pretrain)
app.command()(joint)
app.command()(joint_package)
app.command()(shards)
app.command()(cohort)
app.add_typer(site, name="site")


@app.callback()
def main() -> None:
    """Learn task packages and measure them."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")


def adapt(
    data: Data,
    task: Annotated[list[str] | None, typer.Option(help="Task to learn; several share one encoder.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and packages.")] = Path("runs/adapt"),
    recipe: Annotated[Path | None, typer.Option(help="YAML of recipe keys, for one stage.")] = None,
    initial: Annotated[
        list[Path] | None, typer.Option(help="Checkpoint, or packages of one encoder, to start from.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
) -> None:
    """Learn tasks; run the same command again to go on where it stopped (Ctrl-C loses at most one epoch).

    Without --recipe the stages `learn`, `refine`, `finish` and `polish` run, each from the last.
    The packages lie in OUT/packages. Several processes learn together under `torchrun --no-python`.
    """
    cv2.setNumThreads(1)
    parallel.join()
    tasks = tuple(task or TASKS)
    if not set(tasks) <= set(TASKS):
        raise typer.BadParameter(f"tasks are {', '.join(TASKS)}")
    stages = [recipe] if recipe is not None else [RECIPES / f"{name}.yaml" for name in STAGES]
    try:
        start = list(initial or ())
        for stage in stages:
            chosen = _chosen(read_recipe(stage, tasks), epochs, seed)
            start = [_train(chosen, data, out / stage.stem, start)]
        if parallel.rank() == 0:
            for name in tasks:
                _show(_results_of(build(start[0], name, data, out / "packages" / name).figures))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from the last whole epoch", err=True)
        raise typer.Exit(130) from None
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    finally:
        parallel.leave()


@app.command("package")
def package_command(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the packages.")] = Path("runs/packages"),
    only: Annotated[bool, typer.Option("--figures-only", help="CHECKPOINT is a package: measure it again.")] = False,
) -> None:
    """Make packages of a checkpoint: gates and calibration from validation pictures, figures from test pictures."""
    try:
        if only:
            _show(_results_of(describe(checkpoint, data).figures))
            return
        for name in read_checkpoint(checkpoint).recipe.tasks:
            _show(_results_of(build(checkpoint, name, data, out / name).figures))
    except (TrainerError, PackageError, EngineError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault


def _chosen(recipe: Recipe, epochs: int | None, seed: int | None) -> Recipe:
    return replace(
        recipe,
        epochs=recipe.epochs if epochs is None else epochs,
        seed=recipe.seed if seed is None else seed,
    )


def _train(recipe: Recipe, data: Path, folder: Path, initial: list[Path]) -> Path:
    pool = Pool(
        wanted=tuple(sample for task in recipe.tasks for sample in load_cohort(data, task, "train")),
        outsiders=tuple(load_outsiders(data, "train")),
        phantoms=tuple(phantoms(recipe.phantom_pool)),
    )
    start = read_start(initial) if initial else None
    trainer = Trainer(recipe, pool, folder, start, name=folder.name)
    bar = tqdm(
        total=trainer.steps,
        initial=trainer.step,
        unit="step",
        desc=folder.name,
        dynamic_ncols=True,
        disable=parallel.rank() > 0,
    )
    with bar:
        for done in trainer.run(lambda step, steps: _advance(bar)):
            words = "  ".join(f"{name} {value:.3f}" for name, value in done.losses.items())
            if parallel.rank() > 0:
                continue
            bar.write(f"epoch {done.epoch + 1} of {recipe.epochs}, {done.seconds:.0f} s: {words}", file=sys.stderr)
    return folder / "checkpoint.pt"


def _advance(bar: tqdm[None]) -> None:
    bar.update(1)


def _results_of(figures: tuple[Figure, ...]) -> list[Result]:
    return [
        Result(name=f.name, data=f.data, value=f.value, low=f.low, high=f.high, unit=f.unit, n=f.n) for f in figures
    ]


def _show(found: list[Result]) -> None:
    table = Table("data", "figure", "value", "95 % interval", "n")
    for r in found:
        band = "" if r.low is None or r.high is None else f"{r.low:.3f} to {r.high:.3f}"
        table.add_row(r.data, r.name, f"{r.value:.4f} {r.unit}".strip(), band, str(r.n))
    Console().print(table)


add_commands(app, adapt)
app.command()(evaluate)
