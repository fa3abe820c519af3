"""A number with its spread, from one frame or from frames together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.packages.settings_regression import RegressionSettings

LOG_VARIANCE = (-8.0, 6.0)  # limits, in units of the settings' scale: neither divides by nothing nor overflows
QUERIES = 4  # ways to look at a clip: a fraction needs its fullest and its emptiest frames


class RegressionHead(Head):
    """Frames to vectors, vectors to a number by attention over the frames and by how far they swing between them.

    The order of frames plays no part and their number little, so a clip may be long, short or thinned out.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    settings
        Of the card.

    References
    ----------
    Nix, Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.
    """

    def __init__(self, channels: Sequence[int], settings: RegressionSettings, width: int = 96) -> None:
        super().__init__()
        self.over_frames = settings.over == "frames"
        self.centre, self.scale, self.factor = settings.centre, settings.scale, settings.spread_factor
        self.embed = nn.Sequential(
            nn.Linear(2 * channels[3] + channels[4], width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width)
        )
        self.key = nn.Linear(width, width)
        self.queries = nn.Parameter(torch.randn(QUERIES, width) / width**0.5)
        mixed = (QUERIES + 1) * width
        self.number = nn.Sequential(nn.LayerNorm(mixed), nn.Linear(mixed, width), nn.GELU(), nn.Linear(width, 2))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Raw answers of each frame: `embedding` (batch, D) and, where one frame tells it, `number` as of `pool`."""
        pooled = torch.cat([maps[3].mean((2, 3)), maps[3].amax((2, 3)), maps[4].mean((2, 3))], dim=1)
        embedding: Tensor = self.embed(pooled)
        if self.over_frames:
            return {"embedding": embedding}
        return {"embedding": embedding, "number": self.pool(embedding[:, None])}

    def pool(self, embeddings: Tensor, there: Tensor | None = None) -> Tensor:
        """Frames together.

        Parameters
        ----------
        embeddings
            (batch, frames, D).
        there
            (batch, frames), bool: false for frames that only fill a batch up; None: all are frames. One at least
            of each clip must be.

        Returns
        -------
        Tensor
            (batch, 2), float32: the number from `centre` in units of `scale`, and the logarithm of its variance.
        """
        scores = self.key(embeddings).float() @ self.queries.float().T  # (batch, frames, queries)
        high = low = embeddings.float()
        if there is not None:
            scores = scores.masked_fill(~there[..., None], -torch.inf)
            high, low = (high.masked_fill(~there[..., None], fill) for fill in (-torch.inf, torch.inf))
        mixed = scores.softmax(1).transpose(1, 2) @ embeddings.float()  # (batch, queries, D)
        swing = high.amax(1) - low.amin(1)  # what changes between the frames, by how much: 0 of one frame
        seen = torch.cat([mixed.flatten(1), swing], dim=1)
        value, log_variance = self.number(seen.to(embeddings.dtype)).float().unbind(1)
        return torch.stack([value, log_variance.clamp(*LOG_VARIANCE)], dim=1)

    def spoken(self, answers: Answers) -> Answers:
        """`value` and `spread` (batch,), in the unit; of numbers over frames `embedding` (batch, D) to gather."""
        if self.over_frames:
            return {"embedding": answers["embedding"].float()}
        return self._in_unit(answers["number"])

    def conclude(self, gathered: Tensor) -> Answers:
        """The number of embeddings (frames, D): `value` and `spread`, (1,) each, in the unit."""
        return self._in_unit(self.pool(gathered[None].to(self.queries.dtype)))

    def _in_unit(self, number: Tensor) -> Answers:
        value, log_variance = number.float().unbind(1)
        spread = (log_variance / 2).exp() * self.scale * self.factor
        return {"value": self.centre + self.scale * value, "spread": spread}
