"""A task's network: the encoder that tasks share, and the heads of one task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoder.swin import EchoCareEncoder
from models.heads import LesionHead, ScopeHead, SegmentationHead


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What the heads said of a batch; logits."""

    mask: Tensor  # (batch, 1, H, W)
    scope: Tensor  # (batch,)
    kind: Tensor | None  # (batch, classes), of a task that classifies


class TaskHeads(nn.Module):
    """The heads of one task.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    classifies
        Whether the task says what kind of structure it found.
    """

    def __init__(self, channels: tuple[int, ...], *, classifies: bool) -> None:
        super().__init__()
        self.segment = SegmentationHead(channels)
        self.scope = ScopeHead(channels)
        self.classify = LesionHead(channels) if classifies else None

    def forward(self, image: Tensor, maps: list[Tensor]) -> Answer:
        """The normalised image (batch, 3, H, W) and its maps to the task's answer."""
        mask = self.segment(image, maps)
        kind = self.classify(maps, torch.sigmoid(mask)) if self.classify is not None else None
        return Answer(mask=mask, scope=self.scope(maps), kind=kind)


class TaskNetwork(nn.Module):
    """Encoder and heads of one task."""

    def __init__(self, encoder: EchoCareEncoder, heads: TaskHeads) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads

    def forward(self, image: Tensor) -> Answer:
        """(batch, 3, H, W), normalised, to the task's answer."""
        answer: Answer = self.heads(image, self.encoder(image))
        return answer
