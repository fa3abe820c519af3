"""Settings of the kinds that say what a picture holds: masks of several structures, answers, grades, views, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from models.packages.parts import CardPart, CodeOnCard, KindSettings, Structure
from models.packages.settings_ejection import EjectionFraction


class Concept(CardPart):
    """Something asked or stated: its words, its code where there is one, and the body part it is about."""

    name: str = Field(min_length=1)
    code: CodeOnCard | None = None  # None: results give it a code of the private scheme, made from the name
    site: CodeOnCard | None = None


class MaskGates(CardPart):
    """When a mask is not said; all chosen on validation pictures."""

    confidence: float = Field(default=0.5, ge=0, le=1)  # least mean probability inside the mask
    area: tuple[float, float] = (0.0, 1.0)  # share of the looked-at picture, least and most

    @model_validator(mode="after")
    def _in_order(self) -> MaskGates:
        least, most = self.area
        if not 0 <= least <= most <= 1:
            raise ValueError(f"area must be a least and a most share within 0 to 1, not {least} to {most}")
        return self


class MaskedStructure(CardPart):
    """One structure of several."""

    structure: Structure
    parts: Literal["largest", "all"] = "largest"  # which connected parts of what was marked are kept
    least_part: float = Field(default=0.0, ge=0, lt=1)  # share of the looked-at picture; smaller parts are dropped
    gates: MaskGates = MaskGates()
    area: bool = False  # whether the area inside the outer edge is measured, on the surest frame

    @model_validator(mode="after")
    def _one_outline_for_an_area(self) -> MaskedStructure:
        if self.area and self.parts == "all":
            raise ValueError(f"the area of '{self.structure.name}' needs parts: largest, because it has one outline")
        return self


class SegmentationSettings(KindSettings):
    """Masks of one or more structures."""

    kind: Literal["segmentation"] = "segmentation"
    name: str = Field(min_length=1)  # of all structures together: "carotid wall"
    exclusive: bool  # true: a pixel belongs to one structure or none; false: structures may overlap
    structures: tuple[MaskedStructure, ...] = Field(min_length=1)
    ejection: EjectionFraction | None = None  # of one of them, where a cine shows it beat

    @model_validator(mode="after")
    def _differ(self) -> SegmentationSettings:
        differ("structure", (each.structure.name for each in self.structures))
        return self

    @model_validator(mode="after")
    def _one_cavity(self) -> SegmentationSettings:
        if self.ejection is not None:
            cavity = [each for each in self.structures if each.structure.name == self.ejection.structure]
            if not cavity or cavity[0].parts == "all":
                raise ValueError(
                    f"the ejection fraction needs a structure '{self.ejection.structure}' of parts: largest"
                )
        return self


class Answer(CardPart):
    """One of a closed set of answers."""

    code: CodeOnCard
    probability: Concept | None = None  # how its probability is said as a quantity of its own; None: it is not


class Choice(Answer):
    """An answer of a set without order."""

    shift: float = 0.0  # added to its log-probability after the temperature


class ClassificationSettings(KindSettings):
    """One question about the whole picture, and its answers in the order of the head's logits."""

    kind: Literal["classification"] = "classification"
    question: Concept
    answers: tuple[Choice, ...] = Field(min_length=2)
    temperature: float = Field(default=1.0, gt=0)  # log-probabilities are divided by it
    least_probability: float = Field(default=0.0, ge=0, le=1)  # below it nothing is answered

    @model_validator(mode="after")
    def _differ(self) -> ClassificationSettings:
        _answers_differ(self.answers)
        return self


class OrdinalSettings(KindSettings):
    """One question about the whole picture whose answers have an order: BI-RADS, TI-RADS."""

    kind: Literal["ordinal"] = "ordinal"
    question: Concept
    grades: tuple[Answer, ...] = Field(min_length=2)  # lowest first
    decision: Literal["likeliest", "expected"] = "likeliest"  # "expected": the grade nearest to the mean rank
    temperature: float = Field(default=1.0, gt=0)  # cumulative logits are divided by it
    shift: float = 0.0  # added to all of them after that; above 0 grades rise
    least_probability: float = Field(default=0.0, ge=0, le=1)  # of the decided grade; below it nothing is answered

    @model_validator(mode="after")
    def _differ(self) -> OrdinalSettings:
        _answers_differ(self.grades)
        return self


class Organ(CardPart):
    """What a view shows; `name` is the word of routing rules."""

    name: str = Field(min_length=1)
    code: CodeOnCard


class Region(CardPart):
    """A part of the body and the organs that are looked for in it."""

    name: str = Field(min_length=1)
    code: CodeOnCard
    organs: tuple[Organ, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> Region:
        differ(f"organ of '{self.name}'", (organ.name for organ in self.organs))
        _codes_differ(f"organ of '{self.name}'", (organ.code for organ in self.organs))
        return self


class ViewSettings(KindSettings):
    """Which region of the body a picture shows, and which organ of the region."""

    kind: Literal["view"] = "view"
    region: Concept = Concept(name="region")
    organ: Concept = Concept(name="organ")
    regions: tuple[Region, ...] = Field(min_length=2)
    region_temperature: float = Field(default=1.0, gt=0)
    organ_temperature: float = Field(default=1.0, gt=0)
    least_region: float = Field(default=0.0, ge=0, le=1)  # least probability of the region; below it nothing is said
    least_organ: float = Field(default=0.0, ge=0, le=1)  # of region and organ together; below it only the region is

    @model_validator(mode="after")
    def _differ(self) -> ViewSettings:
        differ("region", (region.name for region in self.regions))
        _codes_differ("region", (region.code for region in self.regions))
        differ("question", (self.region.name, self.organ.name))
        return self


class Aspect(CardPart):
    """Something that a scan may lack."""

    name: str = Field(min_length=1)  # "gain", "contact"
    code: CodeOnCard | None = None
    poor: CodeOnCard  # what is said where it is poor
    fine: CodeOnCard
    advice: str = Field(min_length=1)  # to who holds the probe: "turn the gain down"
    shift: float = 0.0  # added to its log-odds after the temperature
    threshold: float = Field(default=0.5, ge=0, le=1)  # probability of being poor from which it is called so


class QualitySettings(KindSettings):
    """How good a scan is, and what it lacks."""

    kind: Literal["quality"] = "quality"
    score: Concept = Concept(name="scan quality")
    aspects: tuple[Aspect, ...] = ()
    temperature: float = Field(default=1.0, gt=0)  # log-odds of the aspects are divided by it
    least: float = Field(default=0.0, ge=0, le=1)  # a lower score is called poor even where no aspect is

    @model_validator(mode="after")
    def _differ(self) -> QualitySettings:
        differ("aspect", (self.score.name, *(aspect.name for aspect in self.aspects)))
        for aspect in self.aspects:
            differ(f"word for '{aspect.name}'", (aspect.poor.meaning, aspect.fine.meaning))
        return self


def differ(what: str, names: Iterable[str], by: str = "name") -> None:
    """Check that no name comes twice, whatever its case.

    Raises
    ------
    ValueError
        One does; the message says which.
    """
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        raise ValueError(f"each {what} needs a {by} of its own: {', '.join(repr(name) for name in twice)} comes twice")


def _answers_differ(answers: Iterable[Answer]) -> None:
    codes = [answer.code for answer in answers]
    differ("answer", (code.meaning for code in codes))
    _codes_differ("answer", codes)


def _codes_differ(what: str, codes: Iterable[CodeOnCard]) -> None:
    differ(what, (f"{code.value} {code.scheme}" for code in codes), by="code")
