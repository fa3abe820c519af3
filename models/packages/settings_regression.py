"""Settings of tasks that estimate a number from a picture or from a clip."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from models.packages.parts import CodeOnCard, KindSettings

NEEDS_SCALE = frozenset({"mm", "cm", "m", "mm2", "cm2", "mm3", "cm3", "ml", "mL", "l", "L", "px", "px2"})


class RegressionSettings(KindSettings):
    """One number and how far it may be off."""

    kind: Literal["regression"] = "regression"
    name: str = Field(min_length=1)  # "ejection fraction"
    code: CodeOnCard | None = None
    site: CodeOnCard | None = None
    unit: str = Field(min_length=1)  # UCUM: "%", "1", "d"
    over: Literal["frame", "frames"]  # one frame tells the number, or only frames together do
    least_frames: int = Field(default=1, ge=1)  # fewer frames in scope: the number is not said
    most_frames: int = Field(default=64, ge=1, le=512)
    more: Literal["sampled", "refused"] = (
        "sampled"  # of more frames so many are taken, evenly apart; or nothing is said
    )
    centre: float  # mean of the numbers that the task learned from
    scale: float = Field(gt=0)  # their standard deviation
    spread_factor: float = Field(default=1.0, gt=0)  # by which the network's spreads were off on validation data
    plausible: tuple[float, float]  # least and most that is said
    most_spread: float = Field(gt=0)  # standard deviation, in the unit, above which the number is not said
    tolerance: float = Field(gt=0)  # error, in the unit, up to which a number is right: confidence is its probability

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.unit in NEEDS_SCALE:
            raise ValueError(f"the unit {self.unit} asks for the scale of the picture, which a network does not see")
        least, most = self.plausible
        if not least < most:
            raise ValueError(f"plausible must be a least and a greater most, not {least} to {most}")
        if not least <= self.centre <= most:
            raise ValueError(f"the centre {self.centre} lies outside the plausible {least} to {most}")
        if self.over == "frame" and self.least_frames > 1:
            raise ValueError("least_frames is for numbers over frames; this one is over each frame")
        if self.least_frames > self.most_frames:
            raise ValueError(f"least_frames {self.least_frames} is more than most_frames {self.most_frames}")
        return self
