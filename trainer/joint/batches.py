"""Which pictures come together in an epoch, and a varied view of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.normalise import normalised
from trainer.adapting.variation import PAINTED, varied_square
from trainer.data.cohort import Sample
from trainer.data.synthetic import in_sector, nonsense, without_head
from trainer.joint.pictures import Picture
from trainer.joint.recipe import JointRecipe
from trainer.tasks.spec import Variation
from trainer.tasks.truths import Outlined, Truth

FOREIGN = Variation(turn_deg=20.0, drawn=0.35)
LEAST = 4  # pictures of a batch: fewer say too little about their mean to a batch norm
MADE = (
    0.55,
    0.75,
    0.88,
)  # up to the first, a picture of another set; then nonsense, one in a sector, one without a head


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Views of pictures of one set, then of foreign ones."""

    images: Tensor  # (batch, 3, S, S), normalised
    pictures: tuple[Picture, ...]
    truths: tuple[dict[str, Truth], ...]  # of the first ones, at the size of the images

    @property
    def own(self) -> int:
        """How many are of the set."""
        return len(self.truths)


def order(pictures: Sequence[Picture], recipe: JointRecipe, epoch: int) -> list[list[int]]:
    """Numbers of the pictures that come together in each batch of an epoch; the same for the same recipe."""
    rng = np.random.default_rng([recipe.seed, epoch, 1])
    sets: dict[str, list[int]] = {}
    for number, picture in enumerate(pictures):
        sets.setdefault(picture.of, []).append(number)
    batches = []
    for name, numbers in sets.items():
        shown = [n for _ in range(recipe.repeat.get(name, 1)) for n in rng.permutation(numbers).tolist()]
        shown = shown[: recipe.most.get(name, len(shown))]
        parts = [shown[at : at + recipe.batch] for at in range(0, len(shown), recipe.batch)]
        batches += [part for part in parts if len(part) >= min(LEAST, len(shown))]
    return [batches[i] for i in rng.permutation(len(batches))]


def drawn(
    pictures: Sequence[Picture], chosen: Sequence[int], size: int, foreign: int, rng: np.random.Generator
) -> Batch:
    """One batch: a new view of each picture, and so many foreign ones beside them."""
    own = [pictures[i] for i in chosen]
    others = [_other(pictures, own[0].of, rng) for _ in range(foreign)]
    squares, truths = [], []
    for picture in own:
        shown = picture.square
        if picture.painted is not None and rng.random() < PAINTED:
            shown = picture.painted
        square, matrix = varied_square(shown, picture.variation, size, rng)
        squares.append(square)
        truths.append({task: truth.moved(matrix, size) for task, truth in picture.truths.items()})
    squares += [varied_square(picture.square, FOREIGN, size, rng)[0] for picture in others]
    images = normalised(torch.from_numpy(np.stack(squares)))
    return Batch(images=images, pictures=(*own, *others), truths=tuple(truths))


def _other(pictures: Sequence[Picture], of: str, rng: np.random.Generator) -> Picture:
    """A picture of another set as it is, or one made of it, or nonsense."""
    kind = float(rng.random())
    if MADE[0] <= kind < MADE[1]:
        return _made(nonsense(rng).image)
    other = _some_other(pictures, of, rng)
    if kind < MADE[0]:
        return other
    behind = in_sector(other.square, rng)
    heads = [(p.square, truth) for p in pictures if isinstance(truth := p.truths.get("fetal-head"), Outlined)]
    if kind < MADE[2] or not heads or "fetal-head" in other.truths:
        return _made(behind, other.of)
    square, truth = heads[int(rng.integers(len(heads)))]
    head = Sample(image=square, mask=truth.mask, task="fetal-head")
    return _made(without_head(head, behind, rng).image)


def _some_other(pictures: Sequence[Picture], of: str, rng: np.random.Generator) -> Picture:
    names = sorted({picture.of for picture in pictures} - {of}) or [of]
    name = names[int(rng.integers(len(names)))]
    of_it = [picture for picture in pictures if picture.of == name]
    return of_it[int(rng.integers(len(of_it)))]


def _made(square: NDArray[np.uint8], of: str = "") -> Picture:
    return Picture(square=square, painted=None, of=of, patient="", variation=FOREIGN)
