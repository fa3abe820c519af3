"""Pictures of all tasks, each once, with everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.preprocess import letterbox
from trainer.data.cohort import CACHE_SIZE
from trainer.data.graphics import paint_over
from trainer.data.synthetic import phantoms
from trainer.errors import BadRecipe
from trainer.joint.recipe import JointRecipe
from trainer.tasks.sets import SAME_PICTURES, SETS
from trainer.tasks.spec import Example, TaskSpec, Variation
from trainer.tasks.truths import Outlined, Truth

ANNOTATED = frozenset({"bus_bra", "thyroid"})  # sets whose pictures carry calipers and text
PHANTOM_SET = {"fetal-head": "phantom heads", "breast-lesion": "phantom breasts"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture as it is kept in memory, and the truth of each task that has one."""

    square: NDArray[np.uint8]  # (CACHE_SIZE, CACHE_SIZE), letterboxed
    painted: NDArray[np.uint8] | None  # the same with burned-in graphics painted over
    of: str  # its data set, or what kind of phantoms it is of
    patient: str
    variation: Variation
    truths: Mapping[str, Truth] = field(default_factory=dict)  # of each task, in pixels of the square


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a task says of pictures that have no truth for it."""

    inside: frozenset[str]  # sets that are its own
    unsure: frozenset[str]  # sets that may show the same things: nothing is asked

    def of(self, picture: Picture, task: str) -> float:
        """1 in scope, 0 not, NaN not to be asked."""
        if task in picture.truths:
            return 1.0
        return float("nan") if picture.of in self.inside | self.unsure else 0.0


def gather(specs: Sequence[TaskSpec], data: Path, recipe: JointRecipe, split: str = "train") -> list[Picture]:
    """Read the pictures of all tasks, in the order in which tasks and index files name them, then phantoms.

    Raises
    ------
    MissingData
        A data set is not there.
    BadRecipe
        The recipe wants permissive licences, and a task has a set with another; or a task learns from several pictures
        at once.
    """
    for spec in specs:
        if spec.beside is not None:
            raise BadRecipe(f"'{spec.name}' learns from several pictures at once: leave it out, and `adapt` it alone")
    if recipe.permissive:
        _refuse_restricted(specs)
    found: dict[str, list[tuple[TaskSpec, Example]]] = {}
    for spec in specs:
        for example in spec.examples(data, split):
            found.setdefault(_key(example.name), []).append((spec, example))
    pictures = [_picture(name, known) for name, known in found.items()]
    return pictures + [each for each in _phantoms(recipe.phantoms) if set(each.truths) & {spec.name for spec in specs}]


def scopes(specs: Sequence[TaskSpec]) -> dict[str, Scope]:
    """Which sets are in scope of each task."""
    out = {}
    for spec in specs:
        own = {SAME_PICTURES.get(name, name) for name in spec.data}
        kin = {SAME_PICTURES.get(name, name) for name in spec.kin}
        if spec.name not in PHANTOM_SET:  # what a phantom of an organ is to tasks on that organ, nobody says
            kin |= {
                PHANTOM_SET[task]
                for task, name in (("fetal-head", "hc18"), ("breast-lesion", "bus_bra"))
                if name in own
            }
        out[spec.name] = Scope(inside=frozenset(own), unsure=frozenset(kin - own))
    return out


def _key(name: str) -> str:
    of, _, picture = name.partition("/")
    return f"{SAME_PICTURES.get(of, of)}/{picture}"


def _picture(name: str, known: Sequence[tuple[TaskSpec, Example]]) -> Picture:
    first = known[0][1]
    of = name.partition("/")[0]
    square, box = letterbox(first.picture, CACHE_SIZE)
    painted = paint_over(first.picture) if of in ANNOTATED else first.picture
    return Picture(
        square=square,
        painted=None if painted is first.picture else letterbox(painted, CACHE_SIZE)[0],
        of=of,
        patient=first.patient,
        variation=Variation(
            turn_deg=known[0][0].variation.turn_deg,
            mirrored=all(spec.variation.mirrored for spec, _ in known),
            drawn=known[0][0].variation.drawn,
        ),
        truths={spec.name: example.truth.moved(box.matrix(), CACHE_SIZE) for spec, example in known},
    )


def _phantoms(count: int) -> list[Picture]:
    out = []
    for number, sample in enumerate(phantoms(count)):
        if sample.task is None or sample.mask is None:
            continue
        yes = float("nan") if sample.positive is None else sample.positive
        out.append(
            Picture(
                square=sample.image,
                painted=None,
                of=PHANTOM_SET[sample.task],
                patient=f"phantom/{number}",
                variation=Variation(turn_deg=20.0, drawn=0.3),
                truths={sample.task: Outlined(mask=sample.mask, yes=yes)},
            )
        )
    return out


def _refuse_restricted(specs: Sequence[TaskSpec]) -> None:
    for spec in specs:
        for name in spec.data:
            if SETS[name].use != "permissive":
                raise BadRecipe(
                    f"`permissive` is asked for, but '{spec.name}' learns from {SETS[name].title}"
                    f" ({SETS[name].licence}): leave the task out, or say `permissive: false`"
                )
