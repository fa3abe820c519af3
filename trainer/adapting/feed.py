"""Batches of an epoch: drawn anew each time, or from maps that a frozen encoder gave once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.normalise import normalised
from trainer.adapting.damaging import damaged_view
from trainer.adapting.plan import Plan
from trainer.adapting.pool import Pool, Shown
from trainer.adapting.pupil import Pupil
from trainer.adapting.variation import PAINTED, moved, shrink, varied_square
from trainer.tasks.spec import TaskSpec, Variation
from trainer.tasks.truths import Clean, Truth

FOREIGN = Variation(turn_deg=20.0, drawn=0.35)
KEPT_BYTES = 1_500_000_000  # of kept maps, 16 bits a number
ENCODED = 8  # pictures in one pass of the encoder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Examples of the task, the pictures of each one after another, then outsiders."""

    images: Tensor  # (batch, 3, S, S), normalised
    maps: list[Tensor] | None  # of the encoder; None: not known yet
    truths: list[Truth]  # of the examples, at the size of the images
    frames: int = 1  # pictures of each example

    @property
    def own(self) -> int:
        """How many of the images are pictures of examples."""
        return len(self.truths) * self.frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One view of one picture, or of the pictures of one example."""

    square: NDArray[np.uint8]  # (S, S)
    truth: Truth | None
    others: tuple[NDArray[np.uint8], ...] = ()

    @property
    def squares(self) -> tuple[NDArray[np.uint8], ...]:
        """All of them, (S, S) each."""
        return (self.square, *self.others)


def order(plan: Plan, own: int, foreign: int, epoch: int) -> list[tuple[list[int], list[int]]]:
    """Which examples and which outsiders come together in each batch of an epoch; the same for the same plan."""
    rng = np.random.default_rng([plan.seed, epoch, 1])
    times = max(1, -(-plan.least // own))
    shown = np.concatenate([rng.permutation(own) for _ in range(times)])
    batches = []
    for at in range(0, len(shown), plan.batch):
        others = rng.permutation(foreign)[: plan.outsiders]
        batches.append(([int(i) for i in shown[at : at + plan.batch]], [int(i) for i in others]))
    return batches


class Fresh:
    """Draws a new view at each showing."""

    def __init__(self, plan: Plan, spec: TaskSpec, pool: Pool) -> None:
        self._plan, self._spec, self._pool = plan, spec, pool

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        pool, rng = self._pool, np.random.default_rng([self._plan.seed, epoch, 2])
        for own, foreign in order(self._plan, len(pool.train), len(pool.outsiders), epoch):
            views = [view(pool.train[i], self._spec.variation, self._spec.size, rng) for i in own]
            views += [view(pool.outsiders[i], FOREIGN, self._spec.size, rng) for i in foreign]
            yield _batch(views, None)


class Kept:
    """Shows views whose maps were taken once, in turn; maps are kept in 16 bits.

    Parameters
    ----------
    pupil
        Its encoder does not learn.
    on_view
        Told how many views were encoded, and of how many.
    """

    def __init__(
        self, plan: Plan, spec: TaskSpec, pool: Pool, pupil: Pupil, on_view: Callable[[int, int], None]
    ) -> None:
        self._plan, self._own, self._foreign = plan, len(pool.train), len(pool.outsiders)
        self._frames = 1 + len(pool.train[0].others)
        rng = np.random.default_rng([plan.seed, 3])
        count = _views_that_fit(plan, spec.size, pupil, self._own * self._frames, self._foreign)
        views = [view(shown, spec.variation, spec.size, rng) for _ in range(count) for shown in pool.train]
        self._first_foreign = len(views)
        views += [view(shown, FOREIGN, spec.size, rng) for shown in pool.outsiders]
        self._count, self._views = count, views
        self._maps = _encoded(pupil, views, on_view)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; each example in a view of chance."""
        rng = np.random.default_rng([self._plan.seed, epoch, 2])
        for own, foreign in order(self._plan, self._own, self._foreign, epoch):
            chosen = [int(rng.integers(self._count)) * self._own + i for i in own]
            chosen += [self._first_foreign + i for i in foreign]
            rows = [row for i in chosen for row in self._rows(i)]
            yield _batch([self._views[i] for i in chosen], [level[rows].float() for level in self._maps])

    def _rows(self, number: int) -> range:
        """Where the maps of a view's pictures lie."""
        if number < self._first_foreign:
            return range(number * self._frames, (number + 1) * self._frames)
        first = self._first_foreign * (self._frames - 1) + number
        return range(first, first + 1)


def still(shown: Sequence[Shown], size: int, batch: int) -> list[Batch]:
    """Examples as they are, in batches, for validation."""
    matrix = shrink(size)
    views = [
        View(
            square=moved(s.square, matrix, size),
            truth=None if s.truth is None else s.truth.moved(matrix, size),
            others=tuple(moved(other, matrix, size) for other in s.others),
        )
        for s in shown
    ]
    return [_batch(views[at : at + batch], None) for at in range(0, len(views), batch)]


def view(shown: Shown, how: Variation, size: int, rng: np.random.Generator) -> View:
    """A random view of a picture, its truth moved along; pictures that belong together are varied alike."""
    if isinstance(shown.truth, Clean):
        damaged = damaged_view(shown.truth, how, size, rng)
        return View(square=damaged.given, truth=damaged)
    others = tuple(varied_square(other, how, size, copy.deepcopy(rng))[0] for other in shown.others)
    whole = shown.painted if shown.painted is not None and rng.random() < PAINTED else shown.square
    square, matrix = varied_square(whole, how, size, rng)
    return View(square=square, truth=None if shown.truth is None else shown.truth.moved(matrix, size), others=others)


def _batch(views: Sequence[View], maps: list[Tensor] | None) -> Batch:
    images = normalised(torch.from_numpy(np.stack([square for each in views for square in each.squares])))
    truths = [each.truth for each in views if each.truth is not None]
    return Batch(images=images, maps=maps, truths=truths, frames=len(views[0].squares))


def _views_that_fit(plan: Plan, size: int, pupil: Pupil, own: int, foreign: int) -> int:
    config = pupil.encoder.config
    one = 2 * sum(c * (size // s) ** 2 for c, s in zip(config.channels, config.strides, strict=True))
    return max(1, min(plan.views, (KEPT_BYTES // one - foreign) // own))


def _encoded(pupil: Pupil, views: Sequence[View], on_view: Callable[[int, int], None]) -> list[Tensor]:
    pupil.eval()
    kept: list[Tensor] = []
    squares = [square for each in views for square in each.squares]
    for at in range(0, len(squares), ENCODED):
        levels = pupil.maps(normalised(torch.from_numpy(np.stack(squares[at : at + ENCODED]))))
        if not kept:
            kept = [torch.empty((len(squares), *level.shape[1:]), dtype=torch.float16) for level in levels]
        for whole, level in zip(kept, levels, strict=True):
            whole[at : at + ENCODED] = level.half()
        on_view(min(at + ENCODED, len(squares)), len(squares))
    return kept
