"""Several processes that learn together: `torchrun --nproc-per-node N --no-python echocare-train pretrain …`.

Each process takes its share of every batch; gradients are averaged over the batch, so N processes learn what one would.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import nn


def join() -> None:
    """Meet the other processes that torchrun started; alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    """Part from the others."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wished_by_any(wishes: Sequence[bool], device: torch.device) -> list[bool]:
    """Each wish that at least one process has; every process must ask, and all get the same answer."""
    if count() == 1:
        return list(wishes)
    heard = torch.tensor(wishes, dtype=torch.int32, device=device)
    dist.all_reduce(heard, dist.ReduceOp.MAX)
    return [bool(wish) for wish in heard.tolist()]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; one that a process lacks counts as zero."""
    if count() == 1:
        return
    held = list(parameters)
    whole = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in held])
    dist.all_reduce(whole)
    whole /= count()
    at = 0
    for parameter in held:
        parameter.grad = whole[at : at + parameter.numel()].view_as(parameter)
        at += parameter.numel()
