"""Settings of tasks that make a picture better."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.packages.parts import CardPart, CodeOnCard, KindSettings


class HarmGates(CardPart):
    """When a picture is left as it is; all chosen on validation pictures."""

    gain: float = Field(ge=0, lt=1)  # least share of the picture's error that the network expects to take away
    change: float = Field(gt=0, le=1)  # most root mean square of the change, share of the gray range
    likeness: float = Field(ge=0, le=1)  # least structural similarity of both pictures
    invented: float = Field(ge=0, le=1)  # most share of the dark area where something appears


class EnhancementSettings(KindSettings):
    """A change of the picture's gray levels, at the picture's own size."""

    kind: Literal["enhancement"] = "enhancement"
    name: str = Field(min_length=1)  # what comes out, "picture with less speckle"
    code: CodeOnCard | None = None
    strength: float = Field(default=0.25, gt=0, le=1)  # most change of a pixel, share of the gray range
    frames: Literal["each", "surest"] = "surest"  # of a cine
    most_frames: int = Field(default=64, ge=1, le=1000)  # of a cine told whole: pictures are large
    flow: float = Field(default=1.0, ge=0, le=1)  # colours stay as they are, of flow too
    gates: HarmGates
