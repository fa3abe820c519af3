"""Batches of two views of each picture. A batch depends on the recipe's seed and the step alone.

So there is no position of a sampler and no state of a random generator to keep: a training that is taken up again at a
step sees what it would have seen, and several processes together see what one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from trainer import parallel
from trainer.data.augment import vary
from trainer.pretrain.pictures import Picture
from trainer.pretrain.recipe import PretrainRecipe
from trainer.pretrain.sampling import chances, drawn
from trainer.pretrain.views import numbers_of

VIEWS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """This process's share of a step's pictures."""

    step: int
    slots: tuple[int, ...]  # places of its pictures in the whole batch
    views: Tensor  # (VIEWS, pictures, S, S), gray, 0 to 255
    regions: Tensor  # (pictures,), -1 where not known
    organs: Tensor  # (pictures,), among those of all regions; -1 where not known
    kin: Tensor  # bool, (whole batch, whole batch): other pictures of the same patient


class Batches(Dataset[Batch]):
    """By step, from 0."""

    def __init__(self, recipe: PretrainRecipe, pictures: Sequence[Picture]) -> None:
        self.recipe, self.pictures = recipe, pictures
        self.chance = chances(pictures, recipe.balance, recipe.most)
        self.rank, self.processes = parallel.rank(), parallel.count()

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> Batch:
        cv2.setNumThreads(1)
        recipe = self.recipe
        whole = [self.pictures[i] for i in drawn(self.chance, recipe.batch, recipe.seed, step)]
        slots = tuple(range(recipe.batch))[self.rank :: self.processes]
        labels = [numbers_of(whole[slot].shown) for slot in slots]
        squares = [whole[slot].square() for slot in slots]
        return Batch(
            step=step,
            slots=slots,
            views=torch.from_numpy(np.stack([self._varied(squares, step, slots, n) for n in range(VIEWS)])),
            regions=torch.tensor([region for region, _ in labels]),
            organs=torch.tensor([organ for _, organ in labels]),
            kin=_kin([picture.patient for picture in whole]),
        )

    def _varied(
        self, squares: Sequence[NDArray[np.uint8]], step: int, slots: Sequence[int], number: int
    ) -> NDArray[np.float32]:
        """One view of each picture, (pictures, S, S), 0 to 255."""
        size, strength, seed = self.recipe.size(step), self.recipe.strength, self.recipe.seed
        rngs = [np.random.default_rng([seed, step, 1 + slot, number]) for slot in slots]
        return np.stack([vary(square, size, rng, strength) for square, rng in zip(squares, rngs, strict=True)])


def _kin(patients: Sequence[str]) -> Tensor:
    numbers = torch.from_numpy(np.unique(patients, return_inverse=True)[1])
    return (numbers[:, None] == numbers[None, :]) & ~torch.eye(len(patients), dtype=torch.bool)
