"""All heads of one task: whether the picture is in scope, and what the task says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.heads.category import CategoryHead
from models.heads.detection import DetectionHead
from models.heads.enhancement import EnhancementHead
from models.heads.head import Answers, Head
from models.heads.landmarks import LandmarksHead
from models.heads.ordinal import OrdinalHead
from models.heads.outline import OutlineHead
from models.heads.quality import QualityHead
from models.heads.regression import RegressionHead
from models.heads.report import ReportHead
from models.heads.scope import ScopeHead
from models.heads.structures import StructuresHead
from models.heads.typical import Typical
from models.heads.view import ViewHead
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    QualitySettings,
    SegmentationSettings,
    ViewSettings,
)
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings

SCOPE = "scope"
UNLIKE = "unlike"


class TaskHeads(nn.Module):
    """The heads of one task.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    head
        What the task is about.
    scoped
        Whether it also says if a picture is in scope.
    compares
        Whether it also says how unlike its training pictures a picture is.
    """

    def __init__(self, channels: Sequence[int], head: Head, *, scoped: bool, compares: bool = False) -> None:
        super().__init__()
        self.head = head
        self.scope = ScopeHead(channels) if scoped else None
        self.typical = Typical(channels) if compares else None

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """The normalised image (batch, 3, H, W) and its maps to raw answers.

        `scope` is a logit (batch,), `unlike` a distance (batch,).
        """
        answers: Answers = self.head(image, maps)
        if self.scope is not None:
            answers[SCOPE] = self.scope(maps)
        if self.typical is not None:
            answers[UNLIKE] = self.typical(maps)
        return answers

    def spoken(self, answers: Answers) -> Answers:
        """As readers take them; `scope` is a score (batch,), 0 to 1."""
        out = self.head.spoken(answers)
        if SCOPE in answers:
            out[SCOPE] = torch.sigmoid(answers[SCOPE].float())
        if UNLIKE in answers:
            out[UNLIKE] = answers[UNLIKE]
        return out


def _outline(channels: Sequence[int], settings: OutlineSettings) -> Head:
    return OutlineHead(channels, classifies=settings.question is not None)


BUILDERS: dict[type[Any], Callable[[Sequence[int], Any], Head]] = {
    OutlineSettings: _outline,
    DetectionSettings: DetectionHead,
    LandmarksSettings: LandmarksHead,
    RegressionSettings: RegressionHead,
    EnhancementSettings: EnhancementHead,
    ReportSettings: ReportHead,
    SegmentationSettings: StructuresHead,
    ClassificationSettings: CategoryHead,
    OrdinalSettings: OrdinalHead,
    ViewSettings: ViewHead,
    QualitySettings: QualityHead,
}


def build_heads(channels: Sequence[int], settings: Settings) -> TaskHeads:
    """Heads with fresh weights for the settings of a card."""
    head = BUILDERS[type(settings)](channels, settings)
    return TaskHeads(channels, head, scoped=settings.scope is not None, compares=settings.unlike is not None)
