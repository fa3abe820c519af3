"""What a picture shows: a region of the body, and an organ of that region."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.packages.settings_pictures import ViewSettings


class ViewHead(Head):
    """Logits of regions, and of organs within each region.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: ViewSettings, hidden: int = 128) -> None:
        super().__init__()
        self.organs = [len(region.organs) for region in settings.regions]
        self.features = PictureFeatures(channels, hidden)
        self.region = nn.Linear(hidden, len(self.organs))
        self.organ = nn.Linear(hidden, sum(self.organs))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Log-probabilities: `region` (batch, regions), and `organ` (batch, all organs) given the organ's region."""
        seen = self.features(maps)
        within = [part.log_softmax(1) for part in self.organ(seen).float().split(self.organs, dim=1)]
        return {"region": self.region(seen).float().log_softmax(1), "organ": torch.cat(within, dim=1)}

    def spoken(self, answers: Answers) -> Answers:
        """The same, float32, calibrated by the reader: region and organ together are the sum of both."""
        return {name: answers[name].float() for name in ("region", "organ")}
