"""The loop that adapts one task: resumable after each epoch to the same weights, ended early by validation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models.packages.encoders import EncoderPackage
from trainer.adapting.bindings import lesson_of
from trainer.adapting.feed import Batch, Fresh, Kept, order, still
from trainer.adapting.plan import Plan
from trainer.adapting.pool import Pool
from trainer.adapting.pupil import Pupil
from trainer.checkpoints import load_state, save_state
from trainer.errors import WrongCheckpoint
from trainer.losses import answer_loss
from trainer.tasks.spec import TaskSpec

log = logging.getLogger(__name__)
CLIP_NORM = 2.0
SCOPE_WEIGHT = 0.3
WARMUP = 0.1  # share of the steps
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What an epoch did."""

    epoch: int  # from 0
    seconds: float
    loss: float  # of training, mean over the steps
    validation: float  # loss of the task on validation pictures as they are
    best: bool  # the best so far


def silent(done: int, total: int) -> None:
    """Tell nobody."""


class Adaptation:
    """Adapts; `run` yields after each epoch, when the checkpoint lies on disk.

    Parameters
    ----------
    plan
        Everything that decides the weights, beside the pictures.
    spec
        The task.
    pool
        The pictures.
    package
        The encoder to start from; None from scratch.
    folder
        Where `checkpoint.pt` lies; taken up again if it is there.
    on_view
        Told how many views a frozen encoder has looked at, and of how many.

    Raises
    ------
    WrongCheckpoint
        The folder's checkpoint was made by another plan or cannot be read.
    NoLesson
        Tasks of this kind are not adapted here.
    """

    def __init__(
        self,
        plan: Plan,
        spec: TaskSpec,
        pool: Pool,
        package: EncoderPackage | None,
        folder: Path,
        on_view: Callable[[int, int], None] = silent,
    ) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.spec, self.pool, self.folder = plan, spec, pool, folder
        self.lesson = lesson_of(spec.settings)
        self.pupil = Pupil(plan, spec.settings, package)
        self.seconds, self.next_epoch, self.waited = 0.0, 0, 0
        self.best: tuple[float, dict[str, Tensor]] = (float("inf"), {})
        self.steps = len(order(plan, len(pool.train), len(pool.outsiders), 0))
        groups = self.pupil.groups()
        self.optimizer = torch.optim.AdamW(groups)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [float(str(group["lr"])) for group in groups],
            total_steps=plan.epochs * self.steps + 1,
            pct_start=WARMUP,
            final_div_factor=200,
        )
        self._restore()
        self._validation = still(pool.val, spec.size, plan.batch)
        self._feed: Fresh | Kept | None = None
        self._on_view = on_view

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or validation has not got better for too long."""
        return self.next_epoch >= self.plan.epochs or self.waited >= self.plan.patience

    def run(self, on_step: Callable[[int, int], None] = silent) -> Iterator[Progress]:
        """Learn the epochs that are left; in the end the pupil has the weights of the best epoch."""
        if not self.over and self._feed is None:
            self._feed = self._new_feed()
        while not self.over and self._feed is not None:
            yield self._epoch(self._feed, on_step)
        if self.best[1]:
            self.pupil.take(self.best[1])
        self.pupil.eval()

    def _new_feed(self) -> Fresh | Kept:
        if self.plan.method != "frozen":
            return Fresh(self.plan, self.spec, self.pool)
        start = time.monotonic()
        feed = Kept(self.plan, self.spec, self.pool, self.pupil, self._on_view)
        self._validation = [replace(b, maps=self.pupil.maps(b.images)) for b in self._validation]
        self.seconds += time.monotonic() - start
        return feed

    def _epoch(self, feed: Fresh | Kept, on_step: Callable[[int, int], None]) -> Progress:
        start, epoch = time.monotonic(), self.next_epoch
        torch.manual_seed(self.plan.seed * 100_003 + epoch)
        self.pupil.train()
        total = 0.0
        for number, batch in enumerate(feed.batches(epoch), 1):
            total += self._learn(batch)
            on_step(number, self.steps)
        validation = self._validate()
        better = validation < self.best[0]
        if better:
            self.best = (validation, self.pupil.learned())
        self.waited = 0 if better else self.waited + 1
        self.next_epoch = epoch + 1
        seconds = time.monotonic() - start
        self.seconds += seconds
        self._save()
        return Progress(epoch=epoch, seconds=seconds, loss=total / self.steps, validation=validation, best=better)

    def _learn(self, batch: Batch) -> float:
        maps = batch.maps if batch.maps is not None else self.pupil.maps(batch.images)
        loss = self._task_loss(batch, maps)
        scope = self.pupil.heads.scope
        if scope is not None:
            inside = (torch.arange(len(batch.images)) < batch.own).float()
            loss = loss + SCOPE_WEIGHT * answer_loss(scope(maps), inside, smoothing=0.01, positive_weight=1.0)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.pupil.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.schedule.step()
        return float(loss.detach())

    def _task_loss(self, batch: Batch, maps: Sequence[Tensor]) -> Tensor:
        own = batch.own
        head = self.pupil.heads.head
        answers = head(batch.images[:own], [level[:own] for level in maps])
        return self.lesson.loss(answers, batch.truths, head)

    @torch.no_grad()
    def _validate(self) -> float:
        self.pupil.eval()
        total, count = 0.0, 0
        for batch in self._validation:
            maps = batch.maps if batch.maps is not None else self.pupil.maps(batch.images)
            total += float(self._task_loss(batch, maps)) * len(batch.truths)
            count += len(batch.truths)
        return total / count

    def _save(self) -> None:
        state = {
            "plan": asdict(self.plan),
            "digest": self.plan.digest(),
            "learned": self.pupil.learned(),
            "best": {"loss": self.best[0], "learned": self.best[1]},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "next_epoch": self.next_epoch,
            "waited": self.waited,
            "seconds": self.seconds,
        }
        save_state(state, self.folder / CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        state = load_state(path, "an adaptation")
        if state.get("digest") != self.plan.digest():
            raise WrongCheckpoint(f"{path} was made by another plan: name another --out, or remove it")
        self.pupil.take(state["learned"])
        self.best = (float(state["best"]["loss"]), state["best"]["learned"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.next_epoch, self.waited = state["next_epoch"], state["waited"]
        self.seconds = state["seconds"]
        log.info("adaptation taken up again", extra={"action": "resume", "epoch": self.next_epoch})
