"""From a joint training to packages: one of the encoder, and one of each task beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.packages.card import Card, DataSet, Training
from models.packages.encoders import EncoderPackage
from models.packages.folders import ENCODERS
from models.packages.licences import use_of_licence
from models.packages.weights import stored
from models.packages.writing import About, write_encoder, write_package
from trainer.adapting.packing import close, describe
from trainer.adapting.typical import compare
from trainer.cards import SPLIT, draft, hours, story
from trainer.errors import WrongCheckpoint
from trainer.joint.network import JointNetwork
from trainer.joint.pictures import Picture, gather
from trainer.joint.recipe import JointRecipe, recipe_of
from trainer.joint.training import read_state, stages_of
from trainer.lineage import Stage
from trainer.machine import machine
from trainer.tasks import spec_of
from trainer.tasks.sets import SAME_PICTURES, SETS
from trainer.tasks.spec import TaskSpec

MADE = DataSet(name="noise, text, shapes, sectors without organs", role="out of scope", licence="this repository's")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What a joint training left behind, as packages need it."""

    recipe: JointRecipe
    specs: tuple[TaskSpec, ...]
    network: JointNetwork  # with averaged weights
    pictures: tuple[Picture, ...]
    stages: tuple[Stage, ...]
    command: str
    machine: str


def read_learned(checkpoint: Path, data: Path, command: str) -> Learned:
    """Read a checkpoint, and once more the pictures that it learned from.

    Raises
    ------
    WrongCheckpoint
        It cannot be read, or its weights are not those of its recipe.
    MissingData
        A data set is not there.
    """
    state = read_state(checkpoint)
    recipe = recipe_of(state["recipe"], f"the recipe in {checkpoint}")
    specs = tuple(spec_of(task) for task in recipe.tasks)
    network = JointNetwork(recipe.encoder, specs)
    try:
        network.load_state_dict(state["averaged"])
    except RuntimeError as fault:
        raise WrongCheckpoint(f"{checkpoint} holds other weights than its recipe has: {fault}") from fault
    return Learned(
        recipe=recipe,
        specs=specs,
        network=network.eval(),
        pictures=tuple(gather(specs, data, recipe)),
        stages=stages_of(state, checkpoint),
        command=command,
        machine=state.get("machine") or machine(),
    )


def packages(learned: Learned, data: Path, folder: Path, only: Sequence[str] = ()) -> Iterator[Card]:
    """Write a package of each task, or of some, in turn: weights, gates from validation, figures from test pictures.

    Parameters
    ----------
    folder
        In which each package gets its own, and the encoder lies in `encoders`.

    Raises
    ------
    MissingData
        A split of a task's data is not there.
    LearnedTooLittle
        A task outlines none of its validation pictures well.
    EngineError, PackageError
        A package does not run.
    """
    encoder = _encoder(learned, folder / ENCODERS)
    for spec in learned.specs:
        if only and spec.name not in only:
            continue
        yield _package(learned, spec, encoder, data, folder / spec.name)


def _package(learned: Learned, spec: TaskSpec, encoder: EncoderPackage, data: Path, folder: Path) -> Card:
    card = draft(spec, spec.size, learned.recipe.encoder, _training(learned, spec))
    heads, examples = learned.network.task(spec.name), spec.examples(data, "train")
    card = compare(heads, card, learned.network.maps, examples)
    write_package(heads, card, encoder, folder)
    close(spec, data, folder, [example.truth for example in examples])
    return describe(spec, data, folder).package.card


def _encoder(learned: Learned, into: Path) -> EncoderPackage:
    about = About(
        title=f"Ultrasound encoder {learned.recipe.encoder}, trained with the tasks on it",
        data=_data(learned, dict.fromkeys(_counts(learned), "training of the tasks on it")),
        origin=learned.command,
        notes=story(learned.stages),
    )
    return write_encoder(stored(learned.network.encoder, torch.float16), learned.recipe.encoder, about, into)


def _training(learned: Learned, spec: TaskSpec) -> Training:
    own = {SAME_PICTURES.get(name, name) for name in spec.data}
    roles = {
        name: "in scope" if name in own else "other tasks on the shared encoder; here out of scope"
        for name in _counts(learned)
    }
    for name in {SAME_PICTURES.get(name, name) for name in spec.kin} & set(roles) - own:
        roles[name] = "other tasks on the shared encoder"
    return Training(
        data=(*_data(learned, roles), MADE),
        split=SPLIT,
        command=learned.command,
        seed=learned.recipe.seed,
        hours=round(hours(learned.stages), 1),
        machine=learned.machine,
        notes=story(learned.stages),
    )


def _counts(learned: Learned) -> Counter[str]:
    return Counter(picture.of for picture in learned.pictures)


def _data(learned: Learned, roles: dict[str, str]) -> tuple[DataSet, ...]:
    """The sets on a card; where a task on the encoder has its truths from another index, that one's licence counts."""
    used = {name for spec in learned.specs for name in spec.data}
    out = []
    for name, count in _counts(learned).items():
        patients = len({picture.patient for picture in learned.pictures if picture.of == name})
        if name not in SETS:
            out.append(
                DataSet(
                    name=f"{name} of this repository", role=roles[name], licence="this repository's", pictures=count
                )
            )
            continue
        other = [alias for alias, same in SAME_PICTURES.items() if same == name and alias in used]
        words = SETS[other[0] if other else name]
        out.append(
            DataSet(
                name=words.title,
                role=roles[name],
                licence=words.licence,
                pictures=count,
                patients=patients,
                use=use_of_licence(words.licence),
            )
        )
    return tuple(out)
