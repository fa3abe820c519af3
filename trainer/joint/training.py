"""The loop of a joint training: resumable at each epoch to the same weights."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.outline import OutlineHead
from trainer.adapting.bindings import lesson_of
from trainer.averaging import average_into
from trainer.checkpoints import load_state, save_state
from trainer.errors import WrongCheckpoint
from trainer.joint.batches import Batch, drawn, order
from trainer.joint.network import JointNetwork
from trainer.joint.pictures import Picture, scopes
from trainer.joint.recipe import JointRecipe
from trainer.lineage import Stage, Start, read_start
from trainer.losses import answer_loss
from trainer.machine import machine
from trainer.tasks.spec import TaskSpec

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"
CLIP_NORM = 2.0
EMPTY_WEIGHT = 0.3  # of the loss that asks for an empty mask where there is no structure
POSITIVE_WEIGHT = 3.0  # of pictures in scope: most that are shown are of other tasks


@dataclass(slots=True, kw_only=True)
class JointProgress:
    """What an epoch did."""

    epoch: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)  # of each task, mean over the steps that had it


class JointTraining:
    """Trains; `run` yields after each epoch, when the checkpoint lies on disk.

    Parameters
    ----------
    recipe
        Everything that decides the weights, beside the pictures.
    specs
        The recipe's tasks, in its order.
    pictures
        As `pictures.gather` gives them.
    folder
        Where `checkpoint.pt` lies; taken up again if it is there.
    start
        Weights to start from, and their stages.

    Raises
    ------
    WrongCheckpoint
        The folder's checkpoint was made by another recipe, or the start is of another encoder.
    NoLesson
        A task is of a kind that is not learned here.
    """

    def __init__(
        self,
        recipe: JointRecipe,
        specs: Sequence[TaskSpec],
        pictures: Sequence[Picture],
        folder: Path,
        start: Start | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.specs, self.pictures, self.folder = recipe, specs, pictures, folder
        self.lessons = {spec.name: lesson_of(spec.settings) for spec in specs}
        self.scopes = scopes(specs)
        self.network = JointNetwork(recipe.encoder, specs)
        if start is not None:
            self.network.take(start)
        self.before = start.stages if start is not None else ()
        self.averaged = copy.deepcopy(self.network).eval()
        self.steps = sum(len(order(pictures, recipe, epoch)) for epoch in range(recipe.epochs))
        groups = self.network.groups(recipe.rate, recipe.head_rate, recipe.decay)
        self.optimizer = torch.optim.AdamW(groups)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [float(str(group["lr"])) for group in groups],
            total_steps=self.steps + 1,
            pct_start=recipe.warmup,
            final_div_factor=200,
        )
        self.step, self.next_epoch, self.seconds = 0, 0, 0.0
        self._restore()

    def run(self, on_step: Callable[[int, int], None] = lambda done, total: None) -> Iterator[JointProgress]:
        """Train the epochs that are left."""
        with ThreadPoolExecutor(1) as ahead:
            for epoch in range(self.next_epoch, self.recipe.epochs):
                yield self._epoch(epoch, ahead, on_step)

    def _epoch(self, epoch: int, ahead: ThreadPoolExecutor, on_step: Callable[[int, int], None]) -> JointProgress:
        begun = time.monotonic()
        torch.manual_seed(self.recipe.seed * 100_003 + epoch)
        rng = np.random.default_rng([self.recipe.seed, epoch, 2])
        batches, size = order(self.pictures, self.recipe, epoch), self.recipe.size(epoch)
        self.network.train()
        sums: dict[str, list[float]] = {}
        coming = ahead.submit(drawn, self.pictures, batches[0], size, self.recipe.foreign, rng)
        for number in range(len(batches)):
            batch = coming.result()
            if number + 1 < len(batches):
                coming = ahead.submit(drawn, self.pictures, batches[number + 1], size, self.recipe.foreign, rng)
            for task, value in self._learn(batch).items():
                sums.setdefault(task, []).append(value)
            on_step(self.step, self.steps)
        self.next_epoch = epoch + 1
        seconds = time.monotonic() - begun
        self.seconds += seconds
        self._save()
        means = {task: float(np.mean(values)) for task, values in sums.items()}
        return JointProgress(epoch=epoch, seconds=seconds, losses=means)

    def _learn(self, batch: Batch) -> dict[str, float]:
        with self._fewer_digits():
            maps = self.network.maps(batch.images)
        tasks = [spec.name for spec in self.specs if any(spec.name in truths for truths in batch.truths)]
        losses = {task: self._task_loss(task, batch, maps) for task in tasks}
        total = self.recipe.scope_weight * self._scope_loss(batch, maps)
        for task, loss in losses.items():
            total = total + self.recipe.weight.get(task, 1.0) * loss
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        average_into(self.averaged, self.network, self.recipe.ema, self.step)
        return {task: float(loss.detach()) for task, loss in losses.items()}

    def _task_loss(self, task: str, batch: Batch, maps: Sequence[Tensor]) -> Tensor:
        mine = [i for i, truths in enumerate(batch.truths) if task in truths]
        head = self.network.task(task).head
        if not isinstance(head, OutlineHead):
            answers = self._answers(head, batch.images, maps, mine)
            return self.lessons[task].loss(answers, [batch.truths[i][task] for i in mine], head)
        # an outline is asked of one foreign picture too, where it should find nothing
        empty = [i for i in range(batch.own, len(batch.pictures)) if self._is_foreign(batch.pictures[i], task)][:1]
        chosen = mine + empty
        answers = self._answers(head, batch.images, maps, chosen)
        own = {name: answer[: len(mine)] for name, answer in answers.items()}
        loss = self.lessons[task].loss(own, [batch.truths[i][task] for i in mine], head)
        if empty:
            nothing = answers["mask"][len(mine) :]
            loss = loss + EMPTY_WEIGHT * F.binary_cross_entropy_with_logits(nothing, torch.zeros_like(nothing))
        return loss

    def _answers(self, head: Head, images: Tensor, maps: Sequence[Tensor], chosen: Sequence[int]) -> Answers:
        with self._fewer_digits():
            answers: Answers = head(images[chosen], [level[chosen] for level in maps])
        return {name: answer.float() for name, answer in answers.items()}

    def _fewer_digits(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16)

    def _is_foreign(self, picture: Picture, task: str) -> bool:
        return self.scopes[task].of(picture, task) == 0.0

    def _scope_loss(self, batch: Batch, maps: Sequence[Tensor]) -> Tensor:
        total = torch.zeros(())
        for spec in self.specs:
            scope = self.network.task(spec.name).scope
            if scope is None:
                continue
            inside = torch.tensor([self.scopes[spec.name].of(picture, spec.name) for picture in batch.pictures])
            asked = torch.isfinite(inside)
            if bool(asked.any()):
                with self._fewer_digits():
                    logits = scope(maps)
                logits = logits[asked].float()
                total = total + answer_loss(logits, inside[asked], smoothing=0.01, positive_weight=POSITIVE_WEIGHT)
        return total

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
            "seconds": self.seconds,
            "machine": machine(),
            "before": [asdict(stage) for stage in self.before],
        }
        save_state(state, self.folder / CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        state = read_state(path)
        if state["digest"] != self.recipe.digest():
            raise WrongCheckpoint(f"{path} was made by another recipe: name another --out, or remove it")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.next_epoch, self.seconds = state["step"], state["next_epoch"], state["seconds"]
        self.before = stages_of(state, path)[:-1]
        log.info("joint training taken up again", extra={"action": "resume", "epoch": self.next_epoch})


def start_of(paths: Sequence[Path]) -> Start:
    """What a joint training starts from: the checkpoint of another one, or packages.

    Raises
    ------
    WrongCheckpoint, PackageError
        As `read_state` and `lineage.read_start`.
    """
    if len(paths) != 1 or not paths[0].is_file():
        return read_start(paths)
    state = read_state(paths[0])
    return Start(weights=state["averaged"], stages=stages_of(state, paths[0]))


def stages_of(state: Mapping[str, Any], path: Path) -> tuple[Stage, ...]:
    """What went into the weights of a checkpoint, its own training last."""
    last = Stage(name=path.parent.name, digest=state["digest"], epochs=state["next_epoch"], seconds=state["seconds"])
    return (*(Stage(**stage) for stage in state["before"]), last)


def read_state(path: Path) -> dict[str, Any]:
    """What a joint training left behind.

    Raises
    ------
    WrongCheckpoint
        It is not there or is of another shape.
    """
    state = load_state(path, "a joint training")
    missing = {"recipe", "digest", "averaged", "before", "next_epoch", "seconds"} - set(state)
    if missing:
        raise WrongCheckpoint(f"{path} is no checkpoint of a joint training: it lacks {', '.join(sorted(missing))}")
    return state
