"""The shapes that an encoder can have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """One hierarchical Swin encoder with residual convolution blocks before each stage.

    An encoder turns an image of shape (batch, in_channels, H, W) into five maps of `channels` at the strides
    2, 4, 8, 16 and 32.
    """

    name: str
    embed_dim: int
    depths: tuple[int, int, int, int]  # transformer blocks in each stage
    heads: tuple[int, int, int, int]  # attention heads in each stage
    window: int = 8
    patch: int = 2
    mlp_ratio: float = 4.0
    in_channels: int = 3

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five maps, finest first."""
        width = self.embed_dim
        return (width, 2 * width, 4 * width, 8 * width, 16 * width)

    @property
    def strides(self) -> tuple[int, int, int, int, int]:
        """Source pixels to one pixel of each map."""
        step = self.patch
        return (step, 2 * step, 4 * step, 8 * step, 16 * step)


BASE = EncoderConfig(name="echocare_base", embed_dim=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32))
SMALL = EncoderConfig(name="echocare_small", embed_dim=48, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24))
TINY = EncoderConfig(name="echocare_tiny", embed_dim=24, depths=(1, 1, 4, 1), heads=(1, 3, 6, 12))
CONFIGS: dict[str, EncoderConfig] = {config.name: config for config in (BASE, SMALL, TINY)}
