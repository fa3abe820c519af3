"""How good a scan is, and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.normalise import MEAN, SPREAD
from models.packages.settings_pictures import QualitySettings

DARK, BRIGHT = 0.04, 0.96  # of full scale: what is darker shows nothing, what is brighter is clipped
BANDS = 3  # upper, middle and lower third: gain by depth, and how deep one sees
STATISTICS = 5 + 2 * BANDS


class QualityHead(Head):
    """Logits of the score and of each aspect being poor.

    The encoder's norms take away most of how bright a picture is, so its gray levels are counted beside the maps.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: QualitySettings, hidden: int = 64) -> None:
        super().__init__()
        self.features = PictureFeatures(channels, hidden, beside=STATISTICS)
        self.out = nn.Linear(hidden, 1 + len(settings.aspects))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Logits: `score` (batch,), and `poor` (batch, aspects)."""
        out = self.out(self.features(maps, gray_statistics(image)))
        return {"score": out[:, 0], "poor": out[:, 1:]}

    def spoken(self, answers: Answers) -> Answers:
        """`score`: 0 to 1 (batch,); `poor`: log-odds (batch, aspects), calibrated by the reader."""
        return {"score": torch.sigmoid(answers["score"].float()), "poor": answers["poor"].float()}


def gray_statistics(image: Tensor) -> Tensor:
    """How gray levels are spread over a picture.

    Parameters
    ----------
    image
        (batch, 3, H, W), as `models.normalise.normalised` gives it; H at least `BANDS`.

    Returns
    -------
    Tensor
        (batch, STATISTICS), each about 0 to 1: mean, spread, share of dark and of clipped pixels, mean step between
        neighbours, then mean and share of dark pixels of each band from the top.
    """
    level = image[:, 0].float() * SPREAD + MEAN  # (batch, H, W)
    dark, bright = (level < DARK).float(), (level > BRIGHT).float()
    steps = (level[:, 1:] - level[:, :-1]).abs().mean((1, 2)) + (level[:, :, 1:] - level[:, :, :-1]).abs().mean((1, 2))
    whole = [level.mean((1, 2)), level.std((1, 2)), dark.mean((1, 2)), bright.mean((1, 2)), steps]
    bands = [band.mean((1, 2)) for each in (level, dark) for band in each.tensor_split(BANDS, dim=1)]
    return torch.stack(whole + bands, dim=1)
