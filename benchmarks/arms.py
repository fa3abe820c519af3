"""One task learned in one of several ways that are compared, and measured on its test pictures without any gate.

What is compared is the network alone: masks are what is likelier than not, answers their probabilities. Thresholds and
gates, which a package gets from validation pictures, would add the luck of few pictures to either side.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.packages.adapters import new_adapter
from models.packages.encoders import EncoderPackage
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_pictures import ClassificationSettings, SegmentationSettings, ViewSettings
from models.packages.weights import encoder_of
from models.readers.view import view_probabilities
from trainer.adapting.case import Curve
from trainer.adapting.curves import mean_auc
from trainer.adapting.feed import order, still
from trainer.adapting.loop import Adaptation
from trainer.adapting.plan import Method, Plan
from trainer.adapting.pool import Pool, few, kept
from trainer.adapting.pupil import Pupil
from trainer.adapting.surfaces import dice
from trainer.errors import TrainerError
from trainer.tasks import spec_of
from trainer.tasks.spec import Example, TaskSpec
from trainer.tasks.truths import UNKNOWN, UNLABELLED, Answer, LabelMap, Outlined, Truth, ViewAnswer

VALIDATED = 64  # validation pictures at most, evenly over the split: they are looked at after every epoch
OF_CHANGE = 2.0  # alpha of an adapter over its rank


class NotCompared(TrainerError):
    """Tasks of this kind have no figure without gates here."""

    code = "not-compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to learn one task."""

    task: str
    method: Method
    size: int  # edge of the network's square, px, instead of the task's own
    steps: int  # about: whole epochs
    batch: int
    seed: int = 0  # of the draw of patients, the fresh weights and the order of pictures
    share: float | None = None  # of the training patients; None: all
    rank: int = 8  # of an adapter

    def key(self, encoder: EncoderPackage) -> str:
        """What tells results apart: all of the arm and, unless it starts from nothing, the encoder."""
        start = "" if self.method == "scratch" else encoder.digest
        words = json.dumps([asdict(self), encoder.name, start], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one test picture."""

    picture: str
    patient: str
    # Dice of each structure; or truth, then the probability of each answer; or 1 where the organ is right, else 0.
    # NaN: the structure is not there, or the truth is not known.
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one arm."""

    key: str
    arm: Arm
    figure: float  # of the task, 0 to 1
    pictures: int  # learned from
    patients: int
    epochs: int
    steps: int
    seconds: float  # of learning
    validation: float  # loss of the epoch whose weights were measured
    encoder_numbers: int  # parameters
    adapter_numbers: int
    trained_numbers: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where things lie."""

    data: Path
    out: Path
    encoder: EncoderPackage

    def folder(self, arm: Arm) -> Path:
        """Of the checkpoint of an arm, while it learns."""
        return self.out / f"{arm.task}-{arm.method}-{arm.seed}-{arm.key(self.encoder)}"


def spec_at(arm: Arm) -> TaskSpec:
    """The task at the arm's size, without the question whether a picture is in scope.

    Raises
    ------
    UnknownTask
        There is no such task.
    NotCompared
        Its kind has no figure here.
    """
    spec = spec_of(arm.task)
    figure_of(spec.settings)
    return replace(spec, size=arm.size, settings=spec.settings.model_copy(update={"scope": None}))


def made(arm: Arm, place: Place, on_step: Callable[[int, int], None]) -> Run:
    """Learn and measure an arm, or go on from the last whole epoch.

    Parameters
    ----------
    on_step
        Told how many steps of the arm are done, and of how many.

    Raises
    ------
    TrainerError, PackageError
        Data are missing, or a checkpoint or the encoder is damaged.
    """
    spec, key = spec_at(arm), arm.key(place.encoder)
    examples = few(spec.examples(place.data, "train"), None, arm.seed, arm.share)
    pool = Pool(
        train=tuple(kept(each) for each in examples),
        val=tuple(kept(each) for each in evenly(spec.examples(place.data, "val"), VALIDATED)),
        outsiders=(),
        data=(),
    )
    plan = plan_of(arm, place.encoder, len(examples))
    start = None if arm.method == "scratch" else place.encoder
    adaptation = Adaptation(plan, spec, pool, start, place.folder(arm))
    whole = plan.epochs * adaptation.steps
    for _ in adaptation.run(lambda done, _: on_step(adaptation.next_epoch * adaptation.steps + done, whole)):
        pass
    found = outcomes(adaptation.pupil, spec, spec.examples(place.data, "test"), arm.batch)
    pupil = adaptation.pupil
    return Run(
        key=key,
        arm=arm,
        figure=figure_of(spec.settings)(table(found)),
        pictures=len(examples),
        patients=len({each.patient for each in examples}),
        epochs=adaptation.next_epoch,
        steps=adaptation.next_epoch * adaptation.steps,
        seconds=round(adaptation.seconds, 1),
        validation=adaptation.best[0],
        encoder_numbers=numbers(pupil.encoder),
        adapter_numbers=0 if pupil.adapter is None else numbers(pupil.adapter),
        trained_numbers=pupil.trained_numbers(),
        outcomes=tuple(found),
    )


def plan_of(arm: Arm, encoder: EncoderPackage, pictures: int) -> Plan:
    """The adaptation of an arm that has so many training pictures: whole epochs, as many as the steps come to."""
    plan = Plan(
        task=arm.task,
        method=arm.method,
        architecture=encoder.name,
        encoder="" if arm.method == "scratch" else encoder.digest,
        seed=arm.seed,
        share=arm.share,
        batch=arm.batch,
        outsiders=0,
        rank=arm.rank,
        alpha=OF_CHANGE * arm.rank,
    )
    return replace(plan, epochs=max(1, round(arm.steps / len(order(plan, pictures, 0, 0)))))


def step_seconds(arm: Arm, place: Place) -> float:
    """How long one step of an arm takes on this machine now, measured on one batch; raises as `made`."""
    spec = spec_at(arm)
    shown = tuple(kept(each) for each in spec.examples(place.data, "val")[: arm.batch])
    whole = tuple(shown[i % len(shown)] for i in range(arm.batch))
    pool = Pool(train=whole, val=shown[:1], outsiders=(), data=())
    plan = replace(plan_of(arm, place.encoder, arm.batch), least=arm.batch, epochs=2)
    start = None if arm.method == "scratch" else place.encoder
    with tempfile.TemporaryDirectory() as folder:
        epochs = list(Adaptation(plan, spec, pool, start, Path(folder)).run())
    return epochs[-1].seconds


@torch.no_grad()
def outcomes(pupil: Pupil, spec: TaskSpec, examples: Sequence[Example], batch: int) -> list[Outcome]:
    """What a network that learned says of examples, compared with the truth on the network's own square."""
    pupil.eval()
    head = pupil.heads.head
    said: list[tuple[float, ...]] = []
    for shown in still([kept(each) for each in examples], spec.size, batch):
        answers = head.spoken(head(shown.images, pupil.maps(shown.images)))
        said += [values(spec.settings, row, truth) for row, truth in zip(_rows(answers), shown.truths, strict=True)]
    return [
        Outcome(picture=each.name, patient=each.patient, values=mine) for each, mine in zip(examples, said, strict=True)
    ]


def values(settings: Settings, said: dict[str, NDArray[np.float32]], truth: Truth) -> tuple[float, ...]:
    """An `Outcome`'s values.

    Raises
    ------
    NotCompared
        Settings and truth are of different kinds, or of one that has no figure here.
    """
    if isinstance(settings, SegmentationSettings) and isinstance(truth, LabelMap):
        known = truth.classes != UNLABELLED
        found = _marked(said["mask"], exclusive=settings.exclusive)
        rights = [truth.classes == number for number in range(1, len(found) + 1)]
        return tuple(_dice(mine & known, right) for mine, right in zip(found, rights, strict=True))
    if isinstance(settings, OutlineSettings) and isinstance(truth, Outlined):
        return (_dice(said["mask"] > 0.5, truth.mask > 127),)
    if isinstance(settings, ClassificationSettings) and isinstance(truth, Answer):
        right = float("nan") if truth.number == UNKNOWN else float(truth.number)
        return (right, *(float(p) for p in np.exp(said["answer"])))
    if isinstance(settings, ViewSettings) and isinstance(truth, ViewAnswer):
        logs = np.concatenate([said["region"], said["organ"]]).astype(np.float64)
        _, likely = view_probabilities(logs, settings)
        return (float("nan") if truth.organ == UNKNOWN else float(likely.argmax() == truth.organ),)
    raise NotCompared(f"a {type(truth).__name__} cannot be compared with what a task of kind '{settings.kind}' says")


def figure_of(settings: Settings) -> Curve:
    """The figure of many pictures, from the rows of their values: mean Dice of the structures, AUC, or accuracy.

    Raises
    ------
    NotCompared
        Tasks of this kind have none.
    """
    if isinstance(settings, SegmentationSettings | OutlineSettings | ViewSettings):
        return mean_of_columns
    if isinstance(settings, ClassificationSettings):
        return lambda rows: mean_auc(rows[np.isfinite(rows[:, 0])])
    raise NotCompared(f"tasks of kind '{settings.kind}' are not compared here")


def mean_of_columns(rows: NDArray[np.float64]) -> float:
    """Mean over the columns of the mean of what is known in each; NaN where nothing is."""
    known = [column[np.isfinite(column)] for column in rows.T]
    means = [float(column.mean()) for column in known if len(column)]
    return float(np.mean(means)) if means else float("nan")


def table(found: Sequence[Outcome]) -> NDArray[np.float64]:
    """Their values, a row each."""
    return np.array([each.values for each in found], dtype=np.float64)


def numbers(module: nn.Module) -> int:
    """Parameters of a module, each number one."""
    return sum(parameter.numel() for parameter in module.parameters())


def largest_rank(encoder: EncoderPackage, share: float) -> int:
    """The largest power of two at which an adapter has at most that share of the encoder's parameters; 1 at least."""
    network = encoder_of(encoder)
    targets = Plan(task="", method="lora", architecture=encoder.name, encoder=encoder.digest).targets
    one = numbers(new_adapter(network, 1, OF_CHANGE, targets))
    fits = int(share * numbers(network) / one)
    return 1 << max(0, fits.bit_length() - 1)


def evenly(examples: Sequence[Example], most: int) -> list[Example]:
    """At most so many of them, evenly over their order."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(most, len(examples))).round().astype(int))
    return [examples[i] for i in chosen]


def _rows(answers: dict[str, Tensor]) -> Iterator[dict[str, NDArray[np.float32]]]:
    arrays = {name: tensor.float().numpy() for name, tensor in answers.items()}
    for number in range(len(next(iter(arrays.values())))):
        yield {name: array[number] for name, array in arrays.items()}


def _marked(likely: NDArray[np.float32], *, exclusive: bool) -> list[NDArray[np.bool_]]:
    if not exclusive:
        return [each > 0.5 for each in likely]
    best = np.concatenate([1 - likely.sum(axis=0, keepdims=True), likely]).argmax(axis=0)
    return [best == number for number in range(1, len(likely) + 1)]


def _dice(found: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    return dice(found, right) if right.any() else float("nan")
