"""One structure's mask, and an answer to a question about it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.heads.classification import LesionHead
from models.heads.head import Answers, Head
from models.heads.segmentation import SegmentationHead


class OutlineHead(Head):
    """Mask and question of one structure.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    classifies
        Whether the task says what kind of structure it found.
    """

    def __init__(self, channels: Sequence[int], *, classifies: bool) -> None:
        super().__init__()
        self.segment = SegmentationHead(channels)
        self.classify = LesionHead(channels) if classifies else None

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Logits: `mask` (batch, 1, H, W) and, of a task that classifies, `kind` (batch, 1)."""
        mask = self.segment(image, maps)
        if self.classify is None:
            return {"mask": mask}
        return {"mask": mask, "kind": self.classify(maps, torch.sigmoid(mask))}

    def spoken(self, answers: Answers) -> Answers:
        """`mask`: probabilities (batch, H, W); `kind`: logits (batch,), calibrated by the reader."""
        out = {"mask": torch.sigmoid(answers["mask"][:, 0].float())}
        if "kind" in answers:
            out["kind"] = answers["kind"][:, 0].float()
        return out
