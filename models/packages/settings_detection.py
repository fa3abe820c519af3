"""Settings of tasks that box structures."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from models.packages.parts import CardPart, KindSettings, Structure


class DetectedClass(CardPart):
    """One kind of structure that is boxed, any number of times."""

    structure: Structure
    threshold: float = Field(gt=0, lt=1)  # least score of a box that is said; chosen on validation pictures


class DetectionSettings(KindSettings):
    """Organs or lesions of several kinds, each in a box."""

    kind: Literal["detection"] = "detection"
    subject: str  # what is looked for, in words: "thyroid nodules"
    classes: tuple[DetectedClass, ...] = Field(min_length=1)
    frames: Literal["each", "surest"] = "surest"  # of a cine: boxes of each frame, or of the surest
    overlap: float = Field(default=0.5, gt=0, lt=1)  # of two boxes of a class that share more, the weaker is dropped
    most: int = Field(default=50, ge=1, le=1000)  # candidates of one picture
    level: int = Field(default=1, ge=0, le=3)  # the encoder's map on whose grid centres are found

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [one.structure.name for one in self.classes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"classes need names of their own; more than one is called {', '.join(twice)}")
        return self
