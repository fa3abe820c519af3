"""One of several grades in order, by cumulative logits.

References
----------
McCullagh, "Regression models for ordinal data", J. R. Stat. Soc. B 42 (1980): one score, ordered thresholds.
Cao, Mirjalili, Raschka, "Rank consistent ordinal regression for neural networks", Pattern Recognit. Lett. 140 (2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.packages.settings_pictures import OrdinalSettings

FIRST_STEP = 2.0  # between thresholds of a fresh head: a grade in the middle can reach 46 %
LEAST_STEP = 0.01  # between thresholds, so that each grade keeps a probability that its loss can be taken of


class OrdinalHead(Head):
    """How much speaks for a grade beyond each threshold.

    All thresholds share one score, and their order holds by construction, so no grade can get a negative probability.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: OrdinalSettings, hidden: int = 64) -> None:
        super().__init__()
        grades = len(settings.grades)
        self.features = PictureFeatures(channels, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.highest = nn.Parameter(torch.tensor([FIRST_STEP * (grades - 2) / 2]))  # bias of the lowest threshold
        self.steps = nn.Parameter(torch.full((grades - 2,), FIRST_STEP).expm1().log())  # softplus of it is the step

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """`beyond`: logits (batch, grades - 1) that the grade lies above threshold 0, 1, …; falling along a row."""
        highest = self.highest.float()  # in 16 bits near thresholds would fall together
        biases = torch.cat([highest, highest - torch.cumsum(F.softplus(self.steps.float()) + LEAST_STEP, dim=0)])
        return {"beyond": self.score(self.features(maps)).float() + biases}

    def spoken(self, answers: Answers) -> Answers:
        """`beyond`: the same logits, calibrated by the reader."""
        return {"beyond": answers["beyond"].float()}
