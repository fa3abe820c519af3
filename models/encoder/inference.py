"""The encoder in a form that only answers: the same maps, sooner.

What makes it quick on a CPU:

- tokens lie window after window for a whole stage, so cutting and joining windows, cyclic shifts and padding are one
  copy of rows between two blocks;
- blocks run on a part of the tokens at a time, so what passes from one layer to the next stays in the cache;
- matrices are stored as the multiplication reads them, and write into memory that is used again or onto what they are
  added to;
- maps keep their channels last, and the residual convolutions need a quarter of the multiplications;
- what a window may not attend to depends only on where it lies, of which there are four kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoder.layout import Layout, stage_plan
from models.encoder.swin import LEAK, NORM_EPS, ResidualBlock, Stage, SwinBlock, Trunk, instance_normed, normed
from models.encoder.windows import relative_index, shift_mask
from models.encoder.winograd import convolved, transformed

PART_BYTES = 4 * 2**20  # of the widest thing that a block makes of a part: what a core can hope to find in the cache
MANY = 64  # channels from which a convolution by tiles is quicker than the direct one


def prepared(encoder: Trunk, *, whole: bool | None = None) -> PreparedEncoder:
    """A copy of an encoder, for its device and in its type, that computes the same maps sooner.

    It keeps no link to `encoder`: what changes there later does not reach it. It gives no gradients. It may be moved to
    another device but not to another type.

    Parameters
    ----------
    whole
        Whether a batch is computed in one piece, as accelerators like it, or in parts that a CPU's cache holds; None:
        as the encoder's device likes it.
    """
    on_cpu = encoder.patch_embed.proj.weight.device.type == "cpu"
    return PreparedEncoder(encoder, not on_cpu if whole is None else whole).eval()


class PreparedEncoder(nn.Module):
    """Five maps of an image, finest first, as `EchoCareEncoder` gives them. Made by `prepared`."""

    kernel: Tensor
    offset: Tensor

    def __init__(self, encoder: Trunk, whole: bool) -> None:
        super().__init__()
        self.config = encoder.config
        patches = encoder.patch_embed.proj
        self.register_buffer("kernel", _channels_last(patches.weight))
        self.register_buffer("offset", _copy(cast(Tensor, patches.bias)))
        self.residuals = nn.ModuleList(PreparedResidual(encoder.residual(number), whole) for number in range(1, 5))
        self.stages = nn.ModuleList(PreparedStage(encoder.stage(number), whole) for number in range(1, 5))

    @torch.no_grad()
    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps.

        Parameters
        ----------
        x
            (batch, in_channels, H, W), any H and W, of any floating type.

        Returns
        -------
        list of Tensor
            Five maps, (batch, C, H / 2, W / 2) to (batch, 16 C, H / 32, W / 32), each normalised over its channels, in
            the type of the weights.
        """
        # the type of the weights was chosen; an autocast around this would mix types within one layer
        with torch.autocast(x.device.type, enabled=False):
            x = self.patched(x)
            maps = [normed(x)]
            for residual, stage in zip(self.residuals, self.stages, strict=True):
                x = stage(residual(x))
                maps.append(normed(x))
            return maps

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if fn(self.kernel).dtype != self.kernel.dtype:
            raise TypeError(f"this form was made for {self.kernel.dtype}: prepare the encoder anew in the other type")
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it without types
        return self

    def patched(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to (batch, C, H / patch, W / patch), channels last."""
        step = self.config.patch
        down, right = -x.shape[-2] % step, -x.shape[-1] % step
        x = F.pad(x.to(self.kernel.dtype), (0, right, 0, down))
        return F.conv2d(x.contiguous(memory_format=torch.channels_last), self.kernel, self.offset, stride=step)


class PreparedResidual(nn.Module):
    """Residual convolutions of maps that lie channels last."""

    first: Tensor
    second: Tensor

    def __init__(self, block: ResidualBlock, whole: bool) -> None:
        super().__init__()
        first, second = block.layer.conv1.conv.weight, block.layer.conv2.conv.weight
        self.whole = whole
        # tiles multiply numbers that cancel later, which only types with many digits may
        self.tiled = not whole and len(first) >= MANY and first.dtype in (torch.float32, torch.float64)
        made = transformed if self.tiled else _channels_last
        self.register_buffer("first", made(first))
        self.register_buffer("second", made(second))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape, channels last; the batch as a whole, or image by image."""
        if not self.whole:
            return self._one(x) if len(x) == 1 else torch.cat([self._one(x[i : i + 1]) for i in range(len(x))])
        y = F.leaky_relu_(instance_normed(F.conv2d(x, self.first, padding=1)), LEAK)
        y = instance_normed(F.conv2d(y, self.second, padding=1))
        return F.leaky_relu_(y.add_(x), LEAK)

    def _one(self, x: Tensor) -> Tensor:
        y = F.leaky_relu_(_image_normed(self._convolved(x, self.first)), LEAK)
        y = _image_normed(self._convolved(y, self.second))
        return F.leaky_relu_(y.add_(x), LEAK)

    def _convolved(self, x: Tensor, kernel: Tensor) -> Tensor:
        if not self.tiled:
            return F.conv2d(x, kernel, padding=1)
        return convolved(x.permute(0, 2, 3, 1)[0], kernel)[None].permute(0, 3, 1, 2)


class PreparedStage(nn.Module):
    """The blocks of one resolution and the merging after them."""

    matrix: Tensor

    def __init__(self, stage: Stage, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.blocks = nn.ModuleList(PreparedBlock(cast(SwinBlock, block)) for block in stage.blocks)
        self.norm = Norm(stage.downsample.norm)
        self.register_buffer("matrix", _transposed(stage.downsample.reduction.weight))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W), channels last, to (batch, 2 dim, ceil(H / 2), ceil(W / 2)), channels last."""
        batch, dim, height, width = x.shape
        window = cast(PreparedBlock, self.blocks[0]).window
        plan = stage_plan(batch, height, width, window, x.device)
        down, right = plan.padded[0] - height, plan.padded[1] - width
        tokens = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, right, 0, down)).reshape(-1, dim)
        tokens, layout = tokens.index_select(0, plan.plain.enter), plan.plain
        room: Room | None = None
        for module in self.blocks:
            block = cast(PreparedBlock, module)
            wanted = plan.shifted if block.shifted else plan.plain
            if wanted is not layout:
                tokens, layout = tokens.index_select(0, wanted.cross), wanted
            room = room or Room.beside(tokens, layout, block, self.whole)
            block(tokens, layout, room)
        squares = tokens.index_select(0, layout.merge)
        if plan.squares is not None:
            squares.mul_(plan.squares)
        merged = torch.mm(self.norm(squares.view(-1, 4 * dim)), self.matrix)
        return merged.view(batch, (height + 1) // 2, (width + 1) // 2, -1).permute(0, 3, 1, 2)


class PreparedBlock(nn.Module):
    """One transformer block over tokens that lie window after window."""

    table: Tensor

    def __init__(self, block: SwinBlock) -> None:
        super().__init__()
        self.window = block.window
        self.shifted = block.shifted
        self.heads = block.attn.heads
        self.norm1, self.norm2 = Norm(block.norm1), Norm(block.norm2)
        self.qkv, self.proj = Affine(block.attn.qkv), Affine(block.attn.proj)
        self.linear1, self.linear2 = Affine(block.mlp.linear1), Affine(block.mlp.linear2)
        self.register_buffer("table", _copy(block.attn.relative_position_bias_table))
        self._scores: dict[tuple[tuple[int, int], tuple[int, int]], Tensor] = {}

    def forward(self, tokens: Tensor, layout: Layout, room: Room) -> None:
        """Change tokens (rows, dim) in place."""
        pixels = layout.size[0] * layout.size[1]
        scores = self._added_scores(layout)
        for start in range(0, len(tokens), room.rows):
            part = tokens[start : start + room.rows]
            rows = len(part)
            x = self.norm1(part)
            if layout.present is not None:
                x.mul_(layout.present[start : start + rows])
            qkv = self.qkv.into(x, room.qkv[:rows]).view(-1, pixels, 3, self.heads, part.shape[1] // self.heads)
            query, key, value = qkv.permute(2, 0, 3, 1, 4)
            if self.shifted:
                kinds = layout.kinds[start // pixels : (start + rows) // pixels]
                mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=scores[kinds])
            else:
                mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=scores[:1])
            self.proj.onto(mixed.transpose(1, 2).reshape(rows, -1), part)
            hidden = self.linear1.into(self.norm2(part), room.hidden[:rows])
            self.linear2.onto(torch.ops.aten.gelu_(hidden), part)

    def _added_scores(self, layout: Layout) -> Tensor:
        """What is added to the scores in each kind of window: (4, heads, pixels, pixels)."""
        key = (layout.size, layout.shift)
        if key not in self._scores:
            pixels = layout.size[0] * layout.size[1]
            index = relative_index((self.window, self.window))[:pixels, :pixels].to(self.table.device)
            bias = self.table[index].permute(2, 0, 1)
            # the four windows of a map of 2 x 2 are one of each kind
            mask = shift_mask(2 * layout.size[0], 2 * layout.size[1], layout.size, layout.shift)
            self._scores[key] = (bias + mask[:, None].to(bias)).contiguous()
        return self._scores[key]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._scores.clear()  # made from what moves to another device or type now
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it without types
        return self


class Affine(nn.Module):
    """A linear layer whose matrix is stored as the multiplication reads it."""

    matrix: Tensor
    offset: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("matrix", _transposed(layer.weight))
        self.register_buffer("offset", _copy(layer.bias))

    def into(self, x: Tensor, out: Tensor) -> Tensor:
        """(rows, inputs) to `out`, (rows, outputs), which is returned."""
        return torch.addmm(self.offset, x, self.matrix, out=out)

    def onto(self, x: Tensor, total: Tensor) -> None:
        """Add what the layer makes of (rows, inputs) to `total`, (rows, outputs)."""
        total.add_(self.offset).addmm_(x, self.matrix)


class Norm(nn.Module):
    """Layer norm with fixed numbers."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.LayerNorm) -> None:
        super().__init__()
        self.eps = layer.eps
        self.register_buffer("weight", _copy(layer.weight))
        self.register_buffer("bias", _copy(layer.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape (..., dim) to the same shape."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """Memory that the blocks of a stage use in turn, for as many tokens as they look at together."""

    rows: int  # tokens at a time, in whole windows
    qkv: Tensor  # (rows, 3 dim)
    hidden: Tensor  # (rows, mlp_ratio x dim)

    @classmethod
    def beside(cls, tokens: Tensor, layout: Layout, block: PreparedBlock, whole: bool) -> Self:
        """Room for tokens (rows, dim), all of them or as many as a part has."""
        wide, pixels = len(block.linear1.offset), layout.size[0] * layout.size[1]
        rows = len(tokens)
        if not whole:
            rows = min(rows, max(1, PART_BYTES // (pixels * wide * tokens.element_size())) * pixels)
        return cls(rows=rows, qkv=tokens.new_empty(rows, 3 * tokens.shape[1]), hidden=tokens.new_empty(rows, wide))


def _copy(x: Tensor) -> Tensor:
    return x.detach().clone()


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.detach().t().clone(memory_format=torch.contiguous_format)


def _channels_last(kernel: Tensor) -> Tensor:
    return kernel.detach().clone(memory_format=torch.channels_last)


def _image_normed(x: Tensor) -> Tensor:
    if x.shape[2] * x.shape[3] == 1:
        return torch.zeros_like(x)  # one pixel is its own mean
    # of one image the same as an instance norm, which however copies a map that lies channels last
    return F.batch_norm(x, None, None, training=True, eps=NORM_EPS)
