"""Points: where each is, between cells of a heat-map, and whether it is in the picture at all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pyramid import NormedConvolution, Pyramid, stride_of
from models.packages.settings_landmarks import LandmarksSettings

REACH = 3  # cells to each side of the likeliest one that tell where between cells the point lies


class LandmarksHead(Head):
    """A heat-map for each point, and whether the point is there.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: LandmarksSettings, width: int = 64) -> None:
        super().__init__()
        count = len(settings.points)
        self.stride = stride_of(settings.level)
        order = {label: number for number, label in enumerate(settings.points)}
        self.pairs = tuple((order[first], order[second]) for first, second in settings.swappable)
        self.merged = Pyramid(channels, settings.level, width)
        self.heat = nn.Sequential(NormedConvolution(width, width), nn.Conv2d(width, count, 1))
        self.present = nn.Linear(2 * width, count)

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Raw answers: `heat`, logits over all cells together (batch, points, h, w); `present`, (batch, points)."""
        x = self.merged(maps)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        return {"heat": self.heat(x), "present": self.present(pooled)}

    def spoken(self, answers: Answers) -> Answers:
        """Where points are and how sure that is.

        Returns
        -------
        Answers
            `points`: x and y, (batch, points, 2), pixels of the square. `confidence`: (batch, points), 0 to 1, the
            probability that the point is in the picture and in the neighbourhood of the place that is said.
        """
        heat = answers["heat"].float()
        height, width = heat.shape[2:]
        likely = heat.flatten(2).softmax(2)
        best = likely.argmax(2, keepdim=True)
        cell = torch.arange(height * width, device=heat.device)
        near = ((cell // width - best // width).abs() <= REACH) & ((cell % width - best % width).abs() <= REACH)
        kept = likely * near
        mass = kept.sum(2)
        at = torch.stack([cell % width, cell // width], dim=1).float()
        points = ((kept @ at) / mass[..., None] + 0.5) * self.stride - 0.5
        return {"points": points, "confidence": mass * torch.sigmoid(answers["present"].float())}
