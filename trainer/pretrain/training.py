"""The loop of pretraining.

In each step the averaged network looks at two whole views of every picture: it says which patches are hard, and gives
the keys of the contrast. The network then sees the same views with patches hidden, draws what is missing, finds the
key of the other view from what it makes of the hidden places, and names region and organ. All passes serve twice, and
because the keys come first, a batch in pieces or over processes has the negatives of the whole batch.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

from models.engine.device import Device
from models.normalise import normalised
from models.packages.weights import encoder_digest
from trainer import parallel
from trainer.catalogue import view_settings
from trainer.errors import WrongCheckpoint
from trainer.losses_pictures import ViewTarget, view_loss
from trainer.pretrain.batches import VIEWS, Batch, Batches
from trainer.pretrain.errors import Diverged
from trainer.pretrain.losses import contrast_loss, patch_errors, ranking_loss, reconstruction_loss
from trainer.pretrain.masking import hide_all
from trainer.pretrain.network import PretrainNetwork
from trainer.pretrain.pictures import Picture, manifest_digest
from trainer.pretrain.recipe import PretrainRecipe, check
from trainer.pretrain.sharding import load_network, load_optimizer, shard, whole
from trainer.stopping import leave_signals_to_the_trainer

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"
CLIP_NORM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step did."""

    number: int  # how many steps are done
    seconds: float
    waited: float  # of them, for data
    values: dict[str, float]  # losses and other figures by name, of this process's share


class Pretrainer:
    """Pretrains; resumable at each checkpoint to the same weights.

    Parameters
    ----------
    recipe, pictures
        Everything that decides the weights, with `start`.
    folder
        Where `checkpoint.pt` lies; taken up again if it is there.
    device
        Where it computes, and in what type.
    start
        Tensors of an encoder to start from.
    workers
        Processes that make batches; 0: this one.
    parted
        Several processes hold parts of the network (`trainer.pretrain.sharding`), not each the whole of it.

    Raises
    ------
    BadRecipe
        The recipe cannot run in so many processes.
    WrongCheckpoint
        The folder's checkpoint is of another recipe, other pictures or another start, or not all processes see it.
    """

    def __init__(
        self,
        recipe: PretrainRecipe,
        pictures: Sequence[Picture],
        folder: Path,
        device: Device,
        start: dict[str, Tensor] | None = None,
        workers: int = 0,
        *,
        parted: bool = False,
    ) -> None:
        check(recipe, parallel.count())
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.device, self.workers = recipe, folder, device, workers
        self.parted = parted and parallel.count() > 1
        self.batches = Batches(recipe, pictures)
        self.origin = {"recipe": recipe.digest(), "pictures": manifest_digest(pictures), "start": _digest(start)}
        self.network = PretrainNetwork(recipe, view_settings())
        if start is not None:
            self.network.encoder.load_state_dict(start)
        self.network.to(device.torch_device).train()
        self.averaged = copy.deepcopy(self.network).eval().requires_grad_(False)
        if self.parted:
            shard(self.network, device.torch_device)
            shard(self.averaged, device.torch_device)
        self.optimizer = torch.optim.AdamW(_groups(self.network, recipe.decay), lr=recipe.rate)
        self.done, self.seconds = 0, 0.0
        self._restore()
        _agree(self.done, device)

    def run(self) -> Iterator[Step]:
        """Train the steps that are left; a step is in the checkpoint when `save` was called after it."""
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(self.done, self.recipe.steps),
            num_workers=self.workers,
            worker_init_fn=leave_signals_to_the_trainer,
        )
        began = time.monotonic()
        for batch in loader:
            waited = time.monotonic() - began
            values = self._learn(batch)
            self.done += 1
            seconds = time.monotonic() - began
            self.seconds += seconds
            yield Step(number=self.done, seconds=seconds, waited=waited, values=values)
            began = time.monotonic()

    def _learn(self, batch: Batch) -> dict[str, float]:
        recipe, device = self.recipe, self.device.torch_device
        torch.manual_seed((recipe.seed * 1_000_003 + batch.step) * 1_009 + parallel.rank())  # dropout
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(batch.step)
        views = batch.views.to(device)
        hidden, keys = self._looked(batch, views)
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, float] = {}
        for piece in torch.arange(len(batch.slots)).chunk(recipe.pieces):
            losses = self._losses(batch, piece, views[:, piece], hidden[:, piece], keys)
            total = torch.stack(list(losses.values())).sum()
            (total / recipe.pieces).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + float(loss.detach()) / recipe.pieces
        if not self.parted:  # parts average their gradients as they come
            parallel.average_gradients(self.network.parameters())
        norm = _number(nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM))
        if not math.isfinite(norm):
            raise Diverged(f"the gradient of step {batch.step} is no number: lower `rate`, or use precision float32")
        self.optimizer.step()
        self._average()
        return totals | {"gradient": norm, "rate": recipe.rate_at(batch.step)}

    @torch.no_grad()
    def _looked(self, batch: Batch, views: Tensor) -> tuple[Tensor, Tensor]:
        """Patches to hide (VIEWS, pictures, n, n), and keys (VIEWS, whole batch, D)."""
        recipe = self.recipe
        levels, keys = [], []
        for part in views.flatten(0, 1).chunk(VIEWS * recipe.pieces):
            with self._typed():
                difficulty, key = self.averaged.asked(normalised(part))
            levels.append(difficulty)
            keys.append(key)
        seeds = [[recipe.seed, batch.step, 1 + slot, VIEWS + number] for number in range(VIEWS) for slot in batch.slots]
        hidden = hide_all(torch.cat(levels), recipe.hidden_at(batch.step), recipe.hardest_at(batch.step), seeds)
        return _by_view(hidden), _of_all(_by_view(torch.cat(keys)))

    def _losses(self, batch: Batch, piece: Tensor, views: Tensor, hidden: Tensor, keys: Tensor) -> dict[str, Tensor]:
        """Weighted losses of some pictures: views (VIEWS, pictures, S, S), hidden (VIEWS, pictures, n, n)."""
        recipe, device = self.recipe, self.device.torch_device
        image, places = normalised(views.flatten(0, 1)), hidden.flatten(0, 1)
        with self._typed():
            learned = self.network.learned(image, places)
        queries = _by_view(learned.queries)
        errors = patch_errors(learned.drawn, image[:, 0], recipe.patches)
        own = torch.tensor([batch.slots[int(i)] for i in piece])
        kin = batch.kin[own].to(device)
        contrast = torch.stack(
            [contrast_loss(queries[n], keys[1 - n], own.to(device), kin, recipe.temperature) for n in range(VIEWS)]
        ).mean()
        target = ViewTarget(
            regions=batch.regions[piece].repeat(VIEWS).to(device), organs=batch.organs[piece].repeat(VIEWS).to(device)
        )
        return {
            "reconstruction": recipe.reconstruction_weight * reconstruction_loss(errors, places),
            "contrast": recipe.contrast_weight * contrast,
            "view": recipe.view_weight * view_loss(learned.answers, target),
            "difficulty": ranking_loss(learned.difficulty, errors, places),
        }

    def _typed(self) -> torch.autocast:
        return torch.autocast(
            self.device.torch_device.type, self.device.dtype, enabled=self.device.dtype != torch.float32
        )

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.recipe.ema, (1 + self.done) / (10 + self.done))
        for old, new in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            old.lerp_(new, 1 - keep)

    def averaged_whole(self) -> PretrainNetwork:
        """The averaged network, to judge and to keep; a call of all processes, and the first one's is the whole."""
        if not self.parted:
            return self.averaged
        state = whole(self.averaged.state_dict())
        network = PretrainNetwork(self.recipe, view_settings()).eval().requires_grad_(False)
        if parallel.rank() == 0:
            network.load_state_dict(state)
        return network.to(self.device.torch_device)

    def save(self) -> None:
        """Put the checkpoint in its place, whole or not at all; a call of all processes, the first one writes."""
        state = {
            "origin": self.origin,
            "recipe": asdict(self.recipe),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "seconds": self.seconds,
        }
        if self.parted:
            state = whole(state)
        if parallel.rank() > 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{CHECKPOINT}.part"
        torch.save(state, part)
        os.replace(part, self.folder / CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True, map_location=self.device.torch_device)
        other = [name for name, digest in self.origin.items() if state.get("origin", {}).get(name) != digest]
        if other:
            raise WrongCheckpoint(
                f"{path} was made with another {' and '.join(other)}: name another --out, or remove it"
            )
        load_network(self.network, state["network"])
        load_network(self.averaged, state["averaged"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.done, self.seconds = state["done"], state["seconds"]
        log.info("pretraining taken up again", extra={"action": "resume", "step": self.done})


def _number(norm: Tensor) -> float:
    """The norm of the whole gradient, of parts or not."""
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def _agree(done: int, device: Device) -> None:
    """Stop before processes wait for each other for ever; raises WrongCheckpoint."""
    if parallel.count() == 1:
        return
    ends = torch.tensor([done, -done], device=device.torch_device)
    dist.all_reduce(ends, dist.ReduceOp.MAX)
    if int(ends[0]) != -int(ends[1]):
        raise WrongCheckpoint("not all processes see the same checkpoint: --out must be a folder that they share")


def _by_view(x: Tensor) -> Tensor:
    """(VIEWS x pictures, …) to (VIEWS, pictures, …)."""
    return x.reshape(VIEWS, -1, *x.shape[1:])


def _of_all(keys: Tensor) -> Tensor:
    """Keys (VIEWS, pictures, D) of all processes, in the order of the batch's slots."""
    if parallel.count() == 1:
        return keys
    gathered = [torch.empty_like(keys) for _ in range(parallel.count())]
    dist.all_gather(gathered, keys.contiguous())
    return torch.stack(gathered, dim=2).flatten(1, 2)  # slot = place in its process x processes + rank


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms, tokens and tables of positions do not."""
    named = list(network.named_parameters())
    plain = {name for name, p in named if p.ndim < 2 or "relative_position" in name or name == "mask_token"}
    return [
        {"params": [p for name, p in named if name not in plain], "weight_decay": decay},
        {"params": [p for name, p in named if name in plain], "weight_decay": 0.0},
    ]


def _digest(start: dict[str, Tensor] | None) -> str:
    return "" if start is None else encoder_digest(start)
