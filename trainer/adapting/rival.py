"""A plain convolutional network of like size, from scratch: a measuring stick, not a package that the node loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.engine import passes
from models.frames import FrameInput, square_of
from models.packages.card import card_text
from models.packages.package import CARD, load_package
from models.packages.settings import Settings
from models.readers import Raw, Seen, reader_of
from trainer.adapting.baselines import CONVOLUTION, sentence
from trainer.adapting.beside import Beside
from trainer.adapting.case import Asked
from trainer.adapting.closing import closed
from trainer.adapting.further import data_words, validation
from trainer.adapting.loop import Adaptation
from trainer.adapting.measuring import judge_of, results_of
from trainer.adapting.pool import few
from trainer.adapting.pupil import Pupil
from trainer.cards import NOT_MEASURED
from trainer.machine import machine
from trainer.tasks.spec import Example, TaskSpec

CPU = torch.device("cpu")


def measured(adaptation: Adaptation, data: Path, command: str = "") -> Beside:
    """Gates and thresholds from validation pictures, figures from test pictures, as a package has them.

    Parameters
    ----------
    adaptation
        Whose `run` came to its end.
    data
        Folder of the data sets.
    command
        With which this can be done again.

    Raises
    ------
    MissingData
        A split of the task's data is not there.
    LearnedTooLittle
        It outlines none of the validation pictures well.
    """
    spec, plan, pupil = adaptation.spec, adaptation.plan, adaptation.pupil
    learned = [example.truth for example in few(spec.examples(data, "train"), plan.shots, plan.seed, plan.share)]
    opened = spec.settings.model_copy(update={"scope": None if spec.settings.scope is None else 0.0})
    seen = [ask(pupil, opened, spec.size, example) for example in validation(spec, data)]
    settings = closed(opened, seen, learned)
    judge = judge_of(settings)
    cases = [judge.case(ask(pupil, settings, spec.size, example), settings) for example in spec.examples(data, "test")]
    size = sum(each.numel() for each in pupil.parameters()) / 1e6
    return Beside(
        name=f"{CONVOLUTION} ({plan.architecture} of timm, with its heads {size:.1f} M numbers)",
        figures=tuple(results_of(cases, settings, data_words(spec, "test"))),
        command=command,
        hours=round(adaptation.seconds / 3600, 2),
        machine=machine(),
    )


def ask(pupil: Pupil, settings: Settings, size: int, example: Example) -> Asked:
    """What a network says of one example, read as the engine reads a package."""
    reader = reader_of(settings, lambda gathered: _conclude(pupil, gathered))
    raws, places = [], []
    for number, picture in enumerate(example.pictures, 1):
        given = FrameInput(pixels=picture, frame=number, view=(0, 0, picture.shape[1] - 1, picture.shape[0] - 1))
        square, place = square_of(given, size)
        (raw,) = _look(pupil, [square])
        reader.see(Seen(frame=number, square=square, place=place, raw=raw, pixels=picture))
        raws.append(raw)
        places.append(place)
    last = min(range(len(raws)), key=lambda at: float(raws[at].get("scope", np.float32(1))))
    return Asked(
        example=example, findings=reader.findings(_look(pupil, reader.again())), raw=raws[last], place=places[last]
    )


def note(folder: Path, told: Beside, spec: TaskSpec) -> None:
    """Write the headline figures of the network into the card of a package, beside what it says of other baselines."""
    card = load_package(folder).card
    kept = [part for part in card.baseline.split("\n") if not part.startswith((NOT_MEASURED, CONVOLUTION))]
    words = "\n".join([*kept, sentence(told, spec)])
    (folder / CARD).write_text(card_text(card.model_copy(update={"baseline": words})), encoding="utf-8")


def _square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    view = (0, 0, picture.shape[1] - 1, picture.shape[0] - 1)
    return square_of(FrameInput(pixels=picture, frame=1, view=view), size)[0]


@torch.inference_mode()
def _look(pupil: Pupil, squares: Sequence[NDArray[np.uint8]]) -> list[Raw]:
    out: list[Raw] = []
    for square in squares:
        images = passes.images_of([square], CPU, torch.float32, 1)
        out += passes.answer(pupil.heads, images, [pupil.maps(images)])
    return out


@torch.inference_mode()
def _conclude(pupil: Pupil, gathered: NDArray[np.float32]) -> Raw:
    return passes.conclude(pupil.heads, gathered, CPU)
