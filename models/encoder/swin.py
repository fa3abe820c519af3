"""The EchoCare encoder: a hierarchical Swin transformer with residual convolution blocks before each stage.

Modules and parameters carry the names of MONAI's `SwinTransformer(use_v2=True)`, so a state dict of that class with
the same shapes loads as it is.

References
----------
Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021.
He et al., "SwinUNETR-V2: Stronger Swin Transformers with Stagewise Convolutions", MICCAI 2023.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoder.config import EncoderConfig
from models.encoder.windows import from_windows, relative_index, shift_mask, to_windows, windowing

LEAK = 0.01
NORM_EPS = 1e-5
LEVELS = 5  # maps of an image


class WindowAttention(nn.Module):
    """Attention inside each window, with a learned bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_index((window, window)))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attend within windows.

        Parameters
        ----------
        x
            (windows, pixels, dim).
        mask
            (windows of one image, pixels, pixels), added to the scores; None where no pixel is forbidden.
        """
        windows, pixels, dim = x.shape
        query, key, value = self.qkv(x).view(windows, pixels, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        index = self.relative_position_index[:pixels, :pixels].reshape(-1)
        bias = self.relative_position_bias_table[index].view(pixels, pixels, self.heads).permute(2, 0, 1)
        bias = bias[None] if mask is None else bias[None] + mask[:, None]  # (1 or windows of one image, heads, …)
        if x.device.type == "cpu" and torch.is_grad_enabled():
            mixed = _attended(query, key, value, bias)
        else:
            every = bias[None].expand(windows // bias.shape[0], -1, -1, -1, -1).flatten(0, 1)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=every)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(windows, pixels, dim))
        return out


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape (..., dim) to the same shape."""
        out: Tensor = self.linear2(F.gelu(self.linear1(x)))
        return out


class SwinBlock(nn.Module):
    """One transformer block; every second one looks through shifted windows."""

    def __init__(self, dim: int, heads: int, config: EncoderConfig, *, shifted: bool) -> None:
        super().__init__()
        self.window = config.window
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, config.window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        x = x + self._attend(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def _attend(self, x: Tensor) -> Tensor:
        batch, height, width, _ = x.shape
        size, shift = windowing(height, width, self.window)
        if not self.shifted:
            shift = (0, 0)
        down, right = -height % size[0], -width % size[1]
        if down or right:
            x = F.pad(x, (0, 0, 0, right, 0, down))
        tall, wide = height + down, width + right
        mask = None
        if any(shift):
            x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
            mask = shift_mask(tall, wide, size, shift).to(device=x.device, dtype=x.dtype)
        x = from_windows(self.attn(to_windows(x, size), mask), size, (batch, tall, wide))
        if any(shift):
            x = torch.roll(x, shifts=shift, dims=(1, 2))
        return x[:, :height, :width]


class PatchMerging(nn.Module):
    """Halve a map and double its channels: top-left, bottom-left, top-right, bottom-right."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to (batch, ceil(H / 2), ceil(W / 2), 2 dim)."""
        down, right = x.shape[1] % 2, x.shape[2] % 2
        if down or right:
            x = F.pad(x, (0, 0, 0, right, 0, down))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], dim=-1)
        out: Tensor = self.reduction(self.norm(x))
        return out


class Stage(nn.Module):
    """Some blocks at one resolution, then a merging."""

    def __init__(self, dim: int, depth: int, heads: int, config: EncoderConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(dim, heads, config, shifted=i % 2 == 1) for i in range(depth))
        self.downsample = PatchMerging(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to (batch, 2 dim, H / 2, W / 2)."""
        x = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.downsample(x).permute(0, 3, 1, 2)
        return out


class Convolution(nn.Module):
    """A 3 x 3 convolution without bias, one level down by name."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        out: Tensor = self.conv(x)
        return out


class ResidualLayer(nn.Module):
    """Two convolutions with instance norm, and the way round them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = Convolution(dim)
        self.conv2 = Convolution(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        y = F.leaky_relu(instance_normed(self.conv1(x)), LEAK)
        y = instance_normed(self.conv2(y))
        return F.leaky_relu(y + x, LEAK)


class ResidualBlock(nn.Module):
    """The residual convolutions before a stage."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = ResidualLayer(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        out: Tensor = self.layer(x)
        return out


class PatchEmbed(nn.Module):
    """Patches to channels."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.in_channels, config.embed_dim, config.patch, stride=config.patch)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to (batch, embed_dim, H / patch, W / patch)."""
        out: Tensor = self.proj(x)
        return out


class Trunk(nn.Module):
    """The layers of an encoder under the names of its state dict, and the maps that they give.

    `EchoCareEncoder` answers with the maps; what answers otherwise shares layers and names with it.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        for number in range(4):
            dim = config.embed_dim * 2**number
            stage = Stage(dim, config.depths[number], config.heads[number], config)
            self.add_module(f"layers{number + 1}", nn.ModuleList([stage]))
            self.add_module(f"layers{number + 1}c", nn.ModuleList([ResidualBlock(dim)]))
        self.apply(_init_linear)

    def maps(self, x: Tensor, levels: int = LEVELS) -> list[Tensor]:
        """Compute the finest maps, as many as `levels`.

        Parameters
        ----------
        x
            (batch, in_channels, H, W), any H and W; the image is padded with zeros at the right and the bottom to
            whole patches.

        Returns
        -------
        list of Tensor
            (batch, C, H / 2, W / 2), then each twice the channels at half the size, each normalised over its channels.
        """
        down, right = -x.shape[-2] % self.config.patch, -x.shape[-1] % self.config.patch
        if down or right:
            x = F.pad(x, (0, right, 0, down))
        x = self.patch_embed(x)
        maps = [normed(x)]
        for number in range(1, levels):
            x = self.residual(number)(x)
            x = self.stage(number)(x)
            maps.append(normed(x))
        return maps

    def residual(self, number: int) -> ResidualBlock:
        """The convolutions before stage 1 to 4."""
        return cast(ResidualBlock, self.get_submodule(f"layers{number}c.0"))

    def stage(self, number: int) -> Stage:
        """Stage 1 to 4."""
        return cast(Stage, self.get_submodule(f"layers{number}.0"))


class EchoCareEncoder(Trunk):
    """Five maps of an image, finest first."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(batch, in_channels, H, W) to maps (batch, C, H / 2, W / 2) to (batch, 16 C, H / 32, W / 32); see `maps`."""
        return self.maps(x)


def normed(x: Tensor) -> Tensor:
    """Normalise a map (batch, C, H, W) over its channels, without parameters."""
    channels = x.shape[1]
    return F.layer_norm(x.permute(0, 2, 3, 1), [channels], eps=NORM_EPS).permute(0, 3, 1, 2)


def instance_normed(x: Tensor) -> Tensor:
    """Normalise each channel of a map (batch, C, H, W) over its pixels, without parameters."""
    if x.shape[2] * x.shape[3] == 1:
        return x - x  # one pixel is its own mean; torch refuses to say so
    return F.instance_norm(x, eps=NORM_EPS)


def _attended(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention written out: torch has no fused one on CPUs whose bias learns, and its spare one is slower than this.

    Parameters
    ----------
    query, key, value
        (windows, heads, pixels, channels).
    bias
        (windows of one image, heads, pixels, pixels), the same for each image.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    biased = (scores.unflatten(0, (-1, bias.shape[0])) + bias.to(scores.dtype)).flatten(0, 1)
    mixed: Tensor = biased.softmax(-1).to(value.dtype) @ value
    return mixed


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
