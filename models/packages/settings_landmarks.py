"""Settings of tasks that mark points and measure between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from models.packages.parts import CardPart, CodeOnCard, KindSettings, Structure

COUNTS = {"length": (2, 100), "perimeter": (3, 100), "area": (3, 100), "angle": (3, 4)}


class PointQuantity(CardPart):
    """Something measured between points."""

    name: str
    code: CodeOnCard | None = None
    # An angle of three points is that at the middle one; of four, that from the line of the first two to that of the
    # last two.
    measure: Literal["length", "perimeter", "area", "angle"]
    points: tuple[str, ...]


class LandmarksSettings(KindSettings):
    """Named points of one structure."""

    kind: Literal["landmarks"] = "landmarks"
    structure: Structure
    points: tuple[str, ...] = Field(min_length=1)  # their labels
    swappable: tuple[tuple[str, str], ...] = ()  # pairs of which nothing tells the first from the second
    quantities: tuple[PointQuantity, ...] = ()
    confidence: float = Field(ge=0, le=1)  # least of a point that is said; chosen on validation pictures
    level: int = Field(default=1, ge=0, le=3)  # the encoder's map on whose grid points are found

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_twice("points", self.points)
        _refuse_twice("swappable pairs", [label for pair in self.swappable for label in pair])
        _refuse_unknown("swappable", [label for pair in self.swappable for label in pair], self.points)
        _refuse_twice("quantities", [quantity.name for quantity in self.quantities])
        for quantity in self.quantities:
            self._check(quantity)
        return self

    def _check(self, quantity: PointQuantity) -> None:
        _refuse_unknown(f"'{quantity.name}'", quantity.points, self.points)
        _refuse_twice(f"'{quantity.name}'", quantity.points)
        least, most = COUNTS[quantity.measure]
        if not least <= len(quantity.points) <= most:
            count = len(quantity.points)
            raise ValueError(f"'{quantity.name}' has {count} points; its {quantity.measure} needs {least} to {most}")
        for first, second in self.swappable:
            other = {first: second, second: first}
            swapped = tuple(other.get(label, label) for label in quantity.points)
            if swapped not in _equal_orders(quantity):
                raise ValueError(f"'{quantity.name}' depends on which of the swappable '{first}', '{second}' is which")


def _equal_orders(quantity: PointQuantity) -> set[tuple[str, ...]]:
    """The orders of a quantity's points that give the same number."""
    p = quantity.points
    if quantity.measure in ("perimeter", "area"):
        turned = [p[i:] + p[:i] for i in range(len(p))]
        return {*turned, *(order[::-1] for order in turned)}
    if quantity.measure == "angle" and len(p) == 4:
        return {p, (p[1], p[0], p[3], p[2]), (p[2], p[3], p[0], p[1]), p[::-1]}
    return {p, p[::-1]}


def _refuse_twice(where: str, labels: Sequence[str]) -> None:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{where}: {', '.join(twice)} is there more than once")


def _refuse_unknown(where: str, labels: Sequence[str], known: Sequence[str]) -> None:
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise ValueError(f"{where}: no point is called {', '.join(unknown)}; there are {', '.join(known)}")
