"""Where the tokens of a map lie when they are kept window by window: tables of places, made once for each size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from models.encoder.windows import windowing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """One order of the tokens of a batch: window after window, after a cyclic shift or without."""

    size: tuple[int, int]  # height and width of a window
    shift: tuple[int, int]  # how far the map was rolled up and to the left
    kinds: Tensor  # int64, (windows,): 0 inside, 1 at the right edge, 2 at the bottom edge, 3 in the corner
    enter: Tensor  # int64, (tokens,): places in the padded map, image after image
    cross: Tensor  # int64, (tokens,): places in the stage's other layout
    merge: Tensor  # int64, (tokens of whole 2 x 2 squares,): places in this layout, four of a square together
    present: Tensor | None  # bool, (tokens, 1): False for padding; None where nothing is padded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StagePlan:
    """The two layouts that the blocks of a stage take by turns, and what to pad."""

    padded: tuple[int, int]  # height and width in whole windows
    plain: Layout
    shifted: Layout  # is `plain` where the map is no larger than a window
    squares: Tensor | None  # bool, (tokens of whole 2 x 2 squares, 1): False beyond an odd edge; None if nothing is


@lru_cache(maxsize=16)  # four stages of four sizes or batches
def stage_plan(batch: int, height: int, width: int, window: int, device: torch.device) -> StagePlan:
    """The tables for maps of (batch, height, width)."""
    size, shift = windowing(height, width, window)
    tall, wide = height + -height % size[0], width + -width % size[1]
    place = torch.arange(tall * wide).view(tall, wide)
    orders = [_order(place, size, rolled) for rolled in ((0, 0), shift)]
    inside = (place // wide < height) & (place % wide < width)
    squares, whole = _squares(height, width, wide)
    layouts = []
    for number, order in enumerate(orders):
        layouts.append(
            Layout(
                size=size,
                shift=(0, 0) if number == 0 else shift,
                kinds=_kinds(tall // size[0], wide // size[1]).repeat(batch).to(device),
                enter=_for_batch(order, batch, tall * wide).to(device),
                cross=_for_batch(_inverse(orders[1 - number])[order], batch, tall * wide).to(device),
                merge=_for_batch(_inverse(order)[squares], batch, tall * wide).to(device),
                present=None if inside.all() else inside.flatten()[order].repeat(batch)[:, None].to(device),
            )
        )
    return StagePlan(
        padded=(tall, wide),
        plain=layouts[0],
        shifted=layouts[1] if any(shift) else layouts[0],
        squares=None if whole.all() else whole.repeat(batch)[:, None].to(device),
    )


def _order(place: Tensor, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
    rows, columns = place.shape[0] // size[0], place.shape[1] // size[1]
    rolled = torch.roll(place, shifts=(-shift[0], -shift[1]), dims=(0, 1))
    return rolled.view(rows, size[0], columns, size[1]).permute(0, 2, 1, 3).flatten()


def _inverse(order: Tensor) -> Tensor:
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse


def _kinds(rows: int, columns: int) -> Tensor:
    bottom = torch.arange(rows)[:, None] == rows - 1
    right = torch.arange(columns)[None, :] == columns - 1
    return (2 * bottom + 1 * right).flatten()


def _squares(height: int, width: int, wide: int) -> tuple[Tensor, Tensor]:
    """Places of the tokens of each 2 x 2 square, column by column, and whether they are on the map."""
    row = torch.arange(height + height % 2).view(-1, 1, 1, 2)
    column = torch.arange(width + width % 2).view(1, -1, 2, 1)
    on_map = ((row < height) & (column < width)).flatten()
    return (row * wide + column).flatten() * on_map, on_map


def _for_batch(places: Tensor, batch: int, tokens: int) -> Tensor:
    return (torch.arange(batch)[:, None] * tokens + places).flatten()
