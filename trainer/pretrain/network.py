"""The encoder with what pretraining hangs on it: mask token, drawing, difficulty, projection, region and organ.

References
----------
Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", CVPR 2022: a mask token after the patch embedding,
a light head that draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.encoder.factory import create_encoder
from models.encoder.swin import LEVELS, normed
from models.heads.head import Answers
from models.heads.pyramid import Pyramid, stride_of
from models.heads.view import ViewHead
from models.packages.settings_pictures import ViewSettings
from trainer.pretrain.recipe import PretrainRecipe

DRAWN_FROM = 1  # finest map that the drawing uses
DIFFICULTY_FROM = 3  # map of stride `recipe.FINE`
WIDTH = 32  # channels of the drawing head
PROJECTED = 128


class Learned(NamedTuple):
    """What the losses are made of; a tuple, because `fully_shard` looks for tensors in no other class."""

    drawn: Tensor  # (batch, S, S)
    difficulty: Tensor  # (batch, n, n)
    queries: Tensor  # (batch, PROJECTED)
    answers: Answers


class PretrainNetwork(nn.Module):
    """One network; the averaged one that helps it is of the same class."""

    def __init__(self, recipe: PretrainRecipe, settings: ViewSettings) -> None:
        super().__init__()
        self.encoder = create_encoder(recipe.encoder)
        self.patches, self.checkpointing = recipe.patches, recipe.checkpointing
        channels = self.encoder.config.channels
        self.mask_token = nn.Parameter(torch.randn(1, channels[0], 1, 1) * 0.02)
        self.pyramid = Pyramid(channels, DRAWN_FROM, WIDTH)
        stride = stride_of(DRAWN_FROM)
        self.draw = nn.Sequential(nn.Conv2d(WIDTH, stride**2, 1), nn.PixelShuffle(stride))
        self.difficult = nn.Conv2d(channels[DIFFICULTY_FROM], 1, 1)
        coarse = channels[3] + channels[4]
        self.project = nn.Sequential(nn.Linear(coarse, 2 * PROJECTED), nn.GELU(), nn.Linear(2 * PROJECTED, PROJECTED))
        self.view = ViewHead(channels, settings)

    def asked(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What the averaged network is asked for of whole pictures (batch, 3, S, S): difficulty, and keys."""
        maps = self.maps(image)
        return self.difficulty(maps), self.projected(maps)

    def learned(self, image: Tensor, hidden: Tensor) -> Learned:
        """All that is made of pictures (batch, 3, S, S) whose patches (batch, n, n) are hidden."""
        maps = self.maps(image, hidden)
        return Learned(
            drawn=self.drawn(maps),
            difficulty=self.difficulty(maps),
            queries=self.projected(maps, hidden),
            answers=self.viewed(image, maps),
        )

    def maps(self, image: Tensor, hidden: Tensor | None = None) -> list[Tensor]:
        """The encoder's five maps of a picture whose hidden patches were replaced by the mask token.

        Parameters
        ----------
        image
            (batch, 3, S, S), normalised; S as a recipe may have it.
        hidden
            bool, (batch, n, n) with n patches along an edge; None: all is seen.
        """
        x = self.encoder.patch_embed(image)
        if hidden is not None:
            x = torch.where(_spread(hidden, x) > 0.5, self.mask_token.to(x.dtype), x)
        maps = [normed(x)]
        for number in range(1, LEVELS):
            layers = nn.Sequential(self.encoder.residual(number), self.encoder.stage(number))
            if self.checkpointing and self.training:
                x = checkpoint(layers, x, use_reentrant=False)
            else:
                x = layers(x)
            maps.append(normed(x))
        return maps

    def drawn(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps to a gray picture (batch, S, S), normalised, float32."""
        out: Tensor = self.draw(self.pyramid(maps))
        return out[:, 0].float()

    def difficulty(self, maps: Sequence[Tensor]) -> Tensor:
        """How hard each patch is to draw, (batch, n, n), float32, of no unit.

        It watches the encoder and does not lead it: nothing flows back into the maps.
        """
        return patch_means(self.difficult(maps[DIFFICULTY_FROM].detach())[:, 0].float(), self.patches)

    def projected(self, maps: Sequence[Tensor], where: Tensor | None = None) -> Tensor:
        """The structure that a picture shows, as a direction: (batch, PROJECTED), of length 1, float32.

        Parameters
        ----------
        where
            bool, (batch, n, n): the patches that count; None: all of them.
        """
        pooled = torch.cat([_pooled(level, where) for level in maps[3:]], dim=1)
        return F.normalize(self.project(pooled).float(), dim=1)

    def viewed(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Log-probabilities of regions, and of organs given their region."""
        answers: Answers = self.view(image, maps)
        return answers


def patch_means(values: Tensor, patches: int) -> Tensor:
    """Means of (batch, S, S) over patches, so many along an edge: (batch, patches, patches)."""
    return F.adaptive_avg_pool2d(values[:, None], patches)[:, 0]


def _spread(patches: Tensor, level: Tensor) -> Tensor:
    """Patches (batch, n, n) at the size of a map (batch, C, H, W): the share of each cell, (batch, 1, H, W)."""
    return F.interpolate(patches[:, None].to(level.dtype), size=level.shape[-2:], mode="area")


def _pooled(level: Tensor, where: Tensor | None) -> Tensor:
    if where is None:
        return level.mean((2, 3))
    weight = _spread(where, level)
    return (level * weight).sum((2, 3)) / weight.sum((2, 3))
