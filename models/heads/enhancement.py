"""What to add to a picture to make it better, and how much better that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.segmentation import SegmentationHead
from models.packages.settings_enhancement import EnhancementSettings

WHITE = 255.0


class EnhancementHead(Head):
    """A bounded change of each pixel of the square; with fresh weights it changes nothing and expects no gain.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: EnhancementSettings, hidden: int = 48) -> None:
        super().__init__()
        self.strength = settings.strength
        self.decoder = SegmentationHead(channels)
        self.gain = nn.Sequential(nn.Linear(channels[3] + channels[4] + 1, hidden), nn.GELU(), nn.Linear(hidden, 1))
        for last in (self.decoder.out, self.gain[-1]):
            for weights in last.parameters():
                nn.init.zeros_(weights)

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Raw answers of pictures at the image's size.

        Returns
        -------
        Answers
            `residual`: (batch, H, W), float32, to be added to gray levels of 0 to 1, within `strength`. `gain`:
            (batch,), the share of the picture's error that this takes away, at most 1.
        """
        residual = torch.tanh(self.decoder(image, maps)[:, 0].float()) * self.strength
        much = residual.detach().abs().mean((1, 2))[:, None]
        pooled = torch.cat([maps[3].mean((2, 3)), maps[4].mean((2, 3)), much.to(maps[4].dtype)], dim=1)
        return {"residual": residual, "gain": self.gain(pooled)[:, 0].float()}

    def spoken(self, answers: Answers) -> Answers:
        """`residual`: (batch, H, W), in gray levels of 0 to 255; `gain`: (batch,), at most 1."""
        return {"residual": answers["residual"].float() * WHITE, "gain": answers["gain"].float().clamp(max=1.0)}
