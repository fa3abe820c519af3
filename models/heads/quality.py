"""How good a scan is, and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.heads.texture import STATISTICS as OF_TEXTURE
from models.heads.texture import texture_statistics
from models.normalise import MEAN, SPREAD
from models.packages.settings_pictures import QualitySettings

DARK, BRIGHT = 0.04, 0.96  # of full scale: what is darker shows nothing, what is brighter is clipped
BANDS = 3  # upper, middle and lower third: gain by depth, and how deep one sees
STATISTICS = 5 + 2 * BANDS


class QualityHead(Head):
    """Logits of the score and of each aspect being poor.

    The encoder's norms take away most of how bright a picture is, and what it learned is not to mind grain and blur: so
    gray levels and texture are counted beside the maps.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: QualitySettings, hidden: int = 64) -> None:
        super().__init__()
        counted = STATISTICS + OF_TEXTURE
        self.features = PictureFeatures(channels, hidden)
        self.counted = nn.Sequential(
            nn.BatchNorm1d(counted), nn.Linear(counted, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()
        )
        self.out = nn.Linear(2 * hidden, 1 + len(settings.aspects))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Logits: `score` (batch,), and `poor` (batch, aspects)."""
        counted = torch.cat([gray_statistics(image), texture_statistics(image)], dim=1)
        kept = self.counted(counted.to(self.out.weight.dtype))
        out = self.out(torch.cat([self.features(maps), kept], dim=1))
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
