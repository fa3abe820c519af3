"""One of a closed set of answers about the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.packages.settings_pictures import ClassificationSettings


class CategoryHead(Head):
    """Logits of the answers to one question.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: ClassificationSettings, hidden: int = 64) -> None:
        super().__init__()
        self.features = PictureFeatures(channels, hidden)
        self.out = nn.Linear(hidden, len(settings.answers))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """`answer`: logits (batch, answers)."""
        return {"answer": self.out(self.features(maps))}

    def spoken(self, answers: Answers) -> Answers:
        """`answer`: log-probabilities (batch, answers), calibrated by the reader."""
        return {"answer": answers["answer"].float().log_softmax(1)}
