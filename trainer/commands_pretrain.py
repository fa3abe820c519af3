"""`echocare-train pretrain`: learn an encoder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import torch
import typer
from tqdm import tqdm

from models.engine.device import Device, choose
from models.packages import PackageError
from models.packages.encoders import EncoderPackage, load_encoder
from models.packages.weights import encoder_of
from trainer import parallel
from trainer.errors import MissingData, TrainerError, WrongCheckpoint
from trainer.pretrain import packaging
from trainer.pretrain.diary import Diary
from trainer.pretrain.judging import look
from trainer.pretrain.pictures import Picture, phantom_pictures
from trainer.pretrain.reading import read_pictures
from trainer.pretrain.recipe import PretrainRecipe, read_pretrain_recipe
from trainer.pretrain.training import Pretrainer, Step
from trainer.stopping import stop_wished

RECIPE = Path(__file__).parent / "recipes" / "pretrain.yaml"
JUDGED = 128  # pictures of the validation split
SAVE_EVERY_S = 120.0
STOPPED = 130  # exit status after Ctrl-C


def pretrain(  # noqa: PLR0913 - each is an option of the command
    data: Annotated[
        list[Path], typer.Option(envvar="ECHOCARE_DATA", help="Folder of a data set, of data sets, or of shards.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics, pictures, package.")] = Path(
        "runs/pretrain"
    ),
    recipe: Annotated[Path, typer.Option(help="YAML of recipe keys.")] = RECIPE,
    initial: Annotated[Path | None, typer.Option(help="Encoder package to start from.")] = None,
    use: Annotated[Literal["any", "permissive"], typer.Option(help="Licences of the pictures.")] = "any",
    workers: Annotated[int, typer.Option(help="Processes that prepare pictures, for each that learns.")] = 1,
    every: Annotated[int, typer.Option(min=1, help="Steps from one sheet of pictures to the next.")] = 500,
    several: Annotated[
        Literal["ddp", "fsdp"],
        typer.Option("--parallel", help="Under torchrun each process holds the network (ddp) or a part of it (fsdp)."),
    ] = "ddp",
) -> None:
    """Pretrain an encoder; run the same command again to go on, to the same weights.

    Ctrl-C and SIGTERM end it after the step under way, which is kept. Several processes, on one machine or many, learn
    together under `torchrun --no-python`.
    """
    cv2.setNumThreads(1)
    parallel.join()
    try:
        chosen, permissive = read_pretrain_recipe(recipe), use == "permissive"
        start = _start(initial, chosen, permissive=permissive)
        shown = read_pictures(data, "train", unseen=chosen.unseen, permissive=permissive)
        shown += phantom_pictures(chosen.phantoms)
        judged = _judged(data, chosen, permissive=permissive)
        tensors = None if start is None else encoder_of(start).state_dict()
        trainer = Pretrainer(chosen, shown, out, _device(chosen), tensors, workers, parted=several == "fsdp")
        _run(trainer, judged, every)
        averaged = trainer.averaged_whole()
        if parallel.rank() == 0:
            package = packaging.write(trainer, averaged, shown, start, out)
            typer.echo(f"{package.path} {package.digest} use: {package.use}")
    except KeyboardInterrupt:
        typer.echo(f"stopped; the same command goes on from the last checkpoint in {out}", err=True)
        raise typer.Exit(STOPPED) from None
    except (TrainerError, PackageError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    finally:
        parallel.leave()


def _run(trainer: Pretrainer, judged: list[Picture], every: int) -> None:
    """Train to the end, or until a stop is wished; the first process saves, tells and looks.

    Raises
    ------
    KeyboardInterrupt
        A stop was wished; what was learned is in the checkpoint.
    """
    first, steps = parallel.rank() == 0, trainer.recipe.steps
    diary = Diary(trainer.folder, trainer.done) if first else None
    try:
        with (
            stop_wished(once=parallel.count() == 1) as wished,
            tqdm(total=steps, initial=trainer.done, unit="step", desc="pretrain", disable=not first) as bar,
        ):
            spent, waited = _steps(trainer, judged, every, diary, bar, wished)
    finally:
        if diary is not None:
            diary.close()
    if first and spent:
        typer.echo(f"waited for data: {waited / spent:.1%} of {spent:.0f} s", err=True)


def _steps(
    trainer: Pretrainer,
    judged: list[Picture],
    every: int,
    diary: Diary | None,
    bar: tqdm[None],
    wished: Callable[[], bool],
) -> tuple[float, float]:
    """Seconds of the steps that were left, and of waiting for data in them."""
    saved, spent, waited = time.monotonic(), 0.0, 0.0
    for step in trainer.run():
        bar.update(1)
        last = step.number == trainer.recipe.steps
        spent, waited = spent + step.seconds, waited + step.waited
        if diary is not None:
            diary.write(step.number, _told(step, trainer.recipe))
            bar.set_postfix({name: f"{value:.3f}" for name, value in step.values.items() if name != "rate"})
        if last or step.number % every == 0:
            _look(trainer, judged, diary, bar)
        due = time.monotonic() - saved > SAVE_EVERY_S
        stop, due = parallel.wished_by_any((wished(), due), trainer.device.torch_device)
        if last or stop or due:
            trainer.save()
            saved = time.monotonic()
        if stop and not last:
            raise KeyboardInterrupt
    return spent, waited


def _look(trainer: Pretrainer, judged: list[Picture], diary: Diary | None, bar: tqdm[None]) -> None:
    averaged = trainer.averaged_whole()
    if diary is None:
        return
    seen = look(averaged, judged, trainer.recipe.size(trainer.done - 1), trainer.device)
    diary.write(trainer.done, seen.values, kind="validation")
    path = diary.show(trainer.done, seen.sheet)
    words = "  ".join(f"{name} {value:.3f}" for name, value in seen.values.items())
    bar.write(f"step {trainer.done}, validation: {words}  {path}", file=sys.stderr)


def _told(step: Step, recipe: PretrainRecipe) -> dict[str, float]:
    speed = recipe.batch / step.seconds
    return {**step.values, "seconds": step.seconds, "waited": step.waited / step.seconds, "pictures_per_s": speed}


def _start(initial: Path | None, recipe: PretrainRecipe, *, permissive: bool) -> EncoderPackage | None:
    if initial is None:
        return None
    encoder = load_encoder(initial)
    if encoder.name != recipe.encoder:
        raise WrongCheckpoint(f"{initial} is of {encoder.name}, the recipe is for {recipe.encoder}")
    if permissive:
        packaging.check_permissive(encoder)
    return encoder


def _judged(data: list[Path], recipe: PretrainRecipe, *, permissive: bool) -> list[Picture]:
    """Some pictures of the validation split; phantoms where there is none."""
    try:
        found = read_pictures(data, "val", unseen=recipe.unseen, permissive=permissive)
    except MissingData as fault:
        typer.echo(f"{fault}: phantoms are looked at instead", err=True)
        found = phantom_pictures(8)
    order = np.random.default_rng(0).permutation(len(found))[:JUDGED]  # the sheet shows the first ones: of many sets
    return [found[i] for i in order]


def _device(recipe: PretrainRecipe) -> Device:
    name, here = "auto", os.environ.get("LOCAL_RANK")
    if here is not None and torch.cuda.is_available():
        name = f"cuda:{here}"
        torch.cuda.set_device(int(here))  # the collective operations of the processes go there
    return choose(name, recipe.precision, None)
