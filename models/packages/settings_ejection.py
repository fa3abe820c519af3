"""What a card says of the ejection fraction that masks of a cine give."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from models.packages.parts import CardPart, CodeOnCard


class EjectionFraction(CardPart):
    """The ejection fraction of a ventricle, from the largest and the smallest cavity of a cine by the method of discs.

    It is said only of a cine whose frames all show the cavity, whole and fit to be said.
    """

    structure: str  # name of the structure that is the cavity
    name: str = Field(default="ejection fraction", min_length=1)
    code: CodeOnCard | None = None
    # points added to what masks give: how far they were too low on validation pairs, which masks that are too even of
    # the largest and the smallest cavity always are
    shift: float = Field(default=0.0, ge=-30, le=30)
    least_frames: int = Field(default=16, ge=2)  # fewer hardly hold a beat
    plausible: tuple[float, float] = (5.0, 90.0)  # %, least and most that is said
    most_jump: float = Field(default=0.5, gt=0, le=1)  # share of its volume that a cavity may lose between two frames

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        least, most = self.plausible
        if not 0 <= least < most <= 100:
            raise ValueError(f"plausible must be a least and a greater most within 0 to 100 %, not {least} to {most}")
        return self
