"""One pass of networks over some squares: bytes in, numbers out. Nothing here waits, caches or decides."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.engine.features import Maps
from models.heads.task import TaskHeads
from models.normalise import normalised
from models.packages.adapters import Adapter
from models.readers.reader import Raw

Square = NDArray[np.uint8]


def encode(encoder: nn.Module, adapter: Adapter | None, images: Tensor) -> list[Maps]:
    """Maps of each image.

    Parameters
    ----------
    images
        (batch, 3, S, S), normalised.

    Returns
    -------
    list
        For each image its five maps, (1, C, h, w).
    """
    with adapter.applied(encoder) if adapter is not None else nullcontext():
        levels: list[Tensor] = encoder(images)
    # copies, so that keeping one image's maps does not keep the batch's
    return [[level[i : i + 1].clone() if len(images) > 1 else level for level in levels] for i in range(len(images))]


def answer(heads: TaskHeads, images: Tensor, maps: Sequence[Maps]) -> list[Raw]:
    """What a task's heads say of each image.

    Parameters
    ----------
    images
        (batch, 3, S, S), normalised.
    maps
        Of each image.

    Raises
    ------
    ArithmeticError
        A number is not finite.
    """
    together = maps[0] if len(maps) == 1 else [torch.cat(levels) for levels in zip(*maps, strict=True)]
    return _raw(heads.spoken(heads(images, together)), len(images))


def conclude(heads: TaskHeads, gathered: NDArray[np.float32], device: torch.device) -> Raw:
    """What a head says of (frames, D) together.

    Raises
    ------
    ArithmeticError
        A number is not finite.
    """
    kind = next(heads.parameters()).dtype
    return _raw(heads.head.conclude(torch.from_numpy(gathered).to(device, kind)), 1)[0]


def images_of(squares: Sequence[Square], device: torch.device, dtype: torch.dtype, batch: int) -> Tensor:
    """Squares (S, S) as the network takes them, (batch, 3, S, S); they reach the device as bytes.

    Short batches are filled up with copies of the last square: one shape has one set of kernels, so what a square gives
    does not depend on how many others came with it.
    """
    filled = [*squares, *[squares[-1]] * (batch - len(squares))]
    return normalised(torch.from_numpy(np.stack(filled)).to(device, non_blocking=True)).to(dtype)


def _raw(spoken: dict[str, Tensor], count: int) -> list[Raw]:
    out = {name: value.float().cpu().numpy() for name, value in spoken.items()}
    broken = sorted(name for name, value in out.items() if not np.isfinite(value[:count]).all())
    if broken:
        raise ArithmeticError(f"it gave numbers that are not finite, in '{broken[0]}'")
    return [{name: value[i] for name, value in out.items()} for i in range(count)]
