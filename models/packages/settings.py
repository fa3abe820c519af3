"""What a card says of its heads: one closed set of settings for each kind of task.

Free of torch: a card is read, checked and listed without loading a network.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from models.packages.parts import CardPart, CodeOnCard, KindSettings, Structure
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


class Question(CardPart):
    """A yes-or-no question about the structure."""

    name: str
    code: CodeOnCard
    yes: CodeOnCard
    no: CodeOnCard
    probability_name: str
    probability_code: CodeOnCard
    temperature: float = Field(gt=0)  # logits are divided by it
    shift: float  # added to the logit after that
    threshold: float = Field(ge=0, le=1)  # calibrated probability from which the answer is yes
    threshold_from: str  # how it was chosen


class Gates(CardPart):
    """When an outline is not said; all chosen on validation pictures."""

    confidence: float = Field(ge=0, le=1)  # least mean probability inside the outline
    area: tuple[float, float]  # share of the looked-at picture, least and most
    dominance: float = Field(ge=0, le=1)  # least share of the parts that may be outlined in all that was marked
    ellipse: float = Field(ge=0, le=1)  # least overlap (intersection over union) of outline and fitted ellipse


class OutlineSettings(KindSettings):
    """One structure, outlined and measured, and perhaps judged."""

    kind: Literal["outline"] = "outline"
    structure: Structure
    measures: Literal["ellipse", "diameters"]
    inset: float = Field(default=0.0, ge=0, le=4)  # px of the square: the measured ellipse lies inside
    most: int = Field(default=1, ge=1, le=10)  # structures of one view that are outlined, the largest first
    question: Question | None = None
    gates: Gates


Settings: TypeAlias = Annotated[
    OutlineSettings
    | DetectionSettings
    | LandmarksSettings
    | RegressionSettings
    | EnhancementSettings
    | ReportSettings
    | SegmentationSettings
    | ClassificationSettings
    | OrdinalSettings
    | ViewSettings
    | QualitySettings,
    Field(discriminator="kind"),
]
