"""The training loop: several tasks on one encoder, resumable at each epoch to the same weights."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.encoder.factory import create_encoder
from models.heads.outline import OutlineHead
from models.heads.task import TaskHeads
from models.normalise import normalised
from models.packages.weights import DERIVED
from trainer import parallel
from trainer.averaging import average_into
from trainer.checkpoints import load_state, save_state
from trainer.data.augment import vary
from trainer.data.cohort import Sample
from trainer.data.synthetic import in_sector, nonsense, without_head
from trainer.errors import WrongCheckpoint
from trainer.lineage import Stage, Start
from trainer.losses import answer_loss, mask_loss
from trainer.recipe import CLASSIFIES, Recipe

log = logging.getLogger(__name__)
CLIP_NORM = 2.0
EMPTY_WEIGHT = 0.3  # of the loss that asks for an empty mask where there is no structure


class SharedNetwork(nn.Module):
    """One encoder and the heads of each task."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = create_encoder(recipe.encoder)
        channels = self.encoder.config.channels
        self.heads = nn.ModuleDict({task: outline_heads(channels, task) for task in recipe.tasks})

    def task_heads(self, task: str) -> TaskHeads:
        """The heads of one task."""
        heads = self.heads[task]
        if not isinstance(heads, TaskHeads):
            raise TypeError(f"'{task}' has no heads")
        return heads


def outline_heads(channels: Sequence[int], task: str) -> TaskHeads:
    """Fresh heads of one task of this trainer."""
    return TaskHeads(channels, OutlineHead(channels, classifies=CLASSIFIES[task]), scoped=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """All that training may show."""

    wanted: tuple[Sample, ...]  # the tasks' own cohorts
    outsiders: tuple[Sample, ...]
    phantoms: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Some varied samples."""

    images: Tensor  # (batch, S, S), 0 to 255
    masks: Tensor  # (batch, S, S), 0 to 1
    tasks: tuple[str | None, ...]
    positives: Tensor  # (batch,), NaN where there is no answer


@dataclass(slots=True, kw_only=True)
class Progress:
    """What an epoch did."""

    epoch: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains; `run` yields after each epoch, when the checkpoint lies on disk.

    Parameters
    ----------
    recipe
        Everything that decides the weights.
    pool
        The pictures.
    folder
        Where `checkpoint.pt` lies; taken up again if it is there.
    start
        Weights to start from, and their stages.
    name
        Of this stage, for cards.

    Raises
    ------
    WrongCheckpoint
        The folder's checkpoint was made by another recipe, or the start is of another encoder.
    """

    def __init__(self, recipe: Recipe, pool: Pool, folder: Path, start: Start | None = None, name: str = "") -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.pool, self.folder = recipe, pool, folder
        self.network = SharedNetwork(recipe)
        self.name, self.seconds = name, 0.0
        self.before = start.stages if start is not None else ()
        if start is not None:
            self._take(start)
        self.averaged = copy.deepcopy(self.network).eval()
        self.steps = recipe.epochs * len(self._batches(0))
        self.optimizer = torch.optim.AdamW(_groups(self.network, recipe.decay), lr=recipe.rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.rate, total_steps=self.steps + 1, pct_start=recipe.warmup, final_div_factor=200
        )
        self.step = 0
        self.next_epoch = 0
        self._restore()

    def _take(self, start: Start) -> None:
        """Start from weights; heads that they lack stay fresh, heads of other tasks are left out."""
        missing, unexpected = self.network.load_state_dict(dict(start.weights), strict=False)
        wrong = [name for name in missing if name.startswith("encoder.") and not name.endswith(DERIVED)]
        wrong += [name for name in unexpected if not name.startswith("heads.")]
        if wrong:
            raise WrongCheckpoint(f"the start does not fit the encoder {self.recipe.encoder}: {', '.join(wrong[:5])}")

    def run(self, on_step: Callable[[int, int], None] = lambda done, total: None) -> Iterator[Progress]:
        """Train the epochs that are left."""
        with ThreadPoolExecutor(1) as ahead:
            for epoch in range(self.next_epoch, self.recipe.epochs):
                yield self._epoch(epoch, ahead, on_step)

    def _epoch(self, epoch: int, ahead: ThreadPoolExecutor, on_step: Callable[[int, int], None]) -> Progress:
        start = time.monotonic()
        torch.manual_seed(self.recipe.seed * 100_003 + epoch + 7_919 * parallel.rank())
        batches = self._batches(epoch)
        rng = np.random.default_rng([self.recipe.seed, epoch, 1 + parallel.rank()])
        progress = Progress(epoch=epoch, seconds=0.0)
        self._learning()
        coming = ahead.submit(_varied, parallel.share(batches[0]), self._view(epoch), rng)
        for number in range(len(batches)):
            batch = coming.result()
            if number + 1 < len(batches):
                coming = ahead.submit(_varied, parallel.share(batches[number + 1]), self._view(epoch), rng)
            for name, value in self._learn(batch).items():
                progress.losses[name] = progress.losses.get(name, 0.0) + value / len(batches)
            on_step(number + 1, len(batches))
        self.next_epoch = epoch + 1
        progress.seconds = time.monotonic() - start
        self.seconds += progress.seconds
        parallel.average_statistics(self.network.buffers())
        parallel.average_statistics(self.averaged.buffers())
        if parallel.rank() == 0:
            self._save()
        return progress

    def _learning(self) -> None:
        self.network.train()
        if self.recipe.still_norms:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _view(self, epoch: int) -> tuple[int, float]:
        return self.recipe.size(epoch), self.recipe.strength

    def _batches(self, epoch: int) -> list[list[Sample]]:
        recipe, pool = self.recipe, self.pool
        rng = np.random.default_rng([recipe.seed, epoch, 0])
        shown = [s for s in pool.wanted for _ in range(recipe.repeat.get(s.task or "", 1))]
        shown += _some(pool.phantoms, recipe.phantoms, rng)
        for sample in _some(pool.outsiders, recipe.outsiders, rng):
            shown.append(_in_sector(sample, rng) if rng.random() < 0.3 else sample)
        heads = [s for s in pool.wanted if s.task == "fetal-head"]
        fillings = [s.image for s in (*pool.outsiders, *pool.wanted) if s.task != "fetal-head"]
        if fillings:
            for sample in _some(heads, recipe.headless, rng):
                shown.append(without_head(sample, in_sector(fillings[int(rng.integers(len(fillings)))], rng), rng))
        breasts = [s for s in pool.wanted if s.task == "breast-lesion"]
        shown += [_in_sector(s, rng) for s in _some(breasts, recipe.headless, rng)]
        shown += [nonsense(rng) for _ in range(recipe.nonsense)]
        order = rng.permutation(len(shown))
        whole = len(order) // recipe.batch * recipe.batch
        return [[shown[i] for i in order[at : at + recipe.batch]] for at in range(0, whole, recipe.batch)]

    def _learn(self, batch: Batch) -> dict[str, float]:
        image = normalised(batch.images)
        maps = self.network.encoder(image)
        total = torch.zeros(())
        losses: dict[str, float] = {}
        for task in self.recipe.tasks:
            for name, loss in self._task_losses(task, batch, image, maps).items():
                total = total + loss
                losses[f"{task} {name}"] = float(loss.detach())
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        parallel.average_gradients(self.network.parameters())
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        average_into(self.averaged, self.network, self.recipe.ema, self.step)
        return losses

    def _task_losses(self, task: str, batch: Batch, image: Tensor, maps: list[Tensor]) -> dict[str, Tensor]:
        heads = self.network.task_heads(task)
        outline = heads.head
        if not isinstance(outline, OutlineHead) or heads.scope is None:
            raise TypeError(f"'{task}' outlines nothing")
        mine = [i for i, other in enumerate(batch.tasks) if other == task]
        foreign = [i for i, other in enumerate(batch.tasks) if other != task][:1]
        inside = torch.tensor([float(other == task) for other in batch.tasks])
        weight = self.recipe.scope_weight
        losses = {
            "scope": weight * answer_loss(heads.scope(maps), inside, smoothing=0.01, positive_weight=1.0),
        }
        chosen = mine + foreign
        logits = outline.segment(image[chosen], [level[chosen] for level in maps])[:, 0]
        count = len(mine)
        if mine:
            losses["mask"] = mask_loss(logits[:count], batch.masks[mine])
        if foreign:
            empty = torch.zeros_like(logits[count:])
            losses["empty"] = EMPTY_WEIGHT * nn.functional.binary_cross_entropy_with_logits(logits[count:], empty)
        asked = [i for i in mine if not torch.isnan(batch.positives[i])]
        if outline.classify is not None and asked:
            places = [mine.index(i) for i in asked]
            found = torch.sigmoid(logits[places].detach())
            share = torch.rand(len(asked), 1, 1)  # between what was found and the truth
            under = (share * found + (1 - share) * batch.masks[asked])[:, None]
            answers = outline.classify([level[asked] for level in maps], under)[:, 0]
            losses["kind"] = self.recipe.answer_weight * answer_loss(
                answers, batch.positives[asked], smoothing=0.05, positive_weight=1.5
            )
        return losses

    def _save(self) -> None:
        state = {
            "recipe": asdict(self.recipe),
            "digest": self.recipe.digest(),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "next_epoch": self.next_epoch,
            "stages": [asdict(stage) for stage in (*self.before, self._stage())],
        }
        save_state(state, self.folder / "checkpoint.pt")

    def _stage(self) -> Stage:
        return Stage(name=self.name, digest=self.recipe.digest(), epochs=self.next_epoch, seconds=self.seconds)

    def _restore(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        state = load_state(path, "this trainer")
        if state["digest"] != self.recipe.digest():
            raise WrongCheckpoint(f"{path} was made by another recipe: name another --out, or remove it")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.next_epoch = state["step"], state["next_epoch"]
        stages = [Stage(**stage) for stage in state["stages"]]
        self.before, self.name, self.seconds = tuple(stages[:-1]), stages[-1].name, stages[-1].seconds
        log.info("training taken up again", extra={"action": "resume", "epoch": self.next_epoch})


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    plain = [p for n, p in network.named_parameters() if p.ndim < 2 or "relative_position" in n]
    decayed = [p for n, p in network.named_parameters() if p.ndim >= 2 and "relative_position" not in n]
    return [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]


def _some(samples: Sequence[Sample], count: int, rng: np.random.Generator) -> list[Sample]:
    return [samples[i] for i in rng.permutation(len(samples))[:count]]


def _in_sector(sample: Sample, rng: np.random.Generator) -> Sample:
    return Sample(image=in_sector(sample.image, rng), painted=None, mask=None, task=None)


def _varied(samples: list[Sample], view: tuple[int, float], rng: np.random.Generator) -> Batch:
    size, strength = view
    pairs = [vary(sample, size, rng, strength) for sample in samples]
    answers = [float("nan") if s.positive is None else s.positive for s in samples]
    return Batch(
        images=torch.from_numpy(np.stack([image for image, _ in pairs])),
        masks=torch.from_numpy(np.stack([mask for _, mask in pairs])),
        tasks=tuple(sample.task for sample in samples),
        positives=torch.tensor(answers),
    )
