"""Masks of several structures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.heads.head import Answers, Head
from models.heads.segmentation import SegmentationHead
from models.packages.settings_pictures import SegmentationSettings


class StructuresHead(Head):
    """Logits of a mask for each structure.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    settings
        Of the card: structures that exclude each other share a softmax with a background, others have a sigmoid each.
    """

    def __init__(self, channels: Sequence[int], settings: SegmentationSettings) -> None:
        super().__init__()
        self.exclusive = settings.exclusive
        self.segment = SegmentationHead(channels, len(settings.structures) + int(settings.exclusive))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """`mask`: logits (batch, structures, H, W); of exclusive ones, with the background as channel 0 before them."""
        return {"mask": self.segment(image, maps)}

    def spoken(self, answers: Answers) -> Answers:
        """`mask`: probabilities (batch, structures, H, W), without the background."""
        logits = answers["mask"].float()
        return {"mask": logits.softmax(1)[:, 1:] if self.exclusive else torch.sigmoid(logits)}
