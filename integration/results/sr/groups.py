"""Findings sorted into the measurement groups of a report.

A viewer draws one mark for each group, and merges groups of one tracking UID. So each outline, caliper and point is
a group of its own with its own tracking UID; the first outline of a thing has the UID of its segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from integration.results.values import no_finding_text, withheld_text
from models.findings import (
    Box,
    Category,
    Code,
    Finding,
    Landmarks,
    Mask,
    Measure,
    Narrative,
    NoFinding,
    Point,
    Quantity,
)


class Shape(StrEnum):
    """How a group's points are drawn."""

    OUTLINE = "outline"  # closed polygon, the image region itself
    CALIPER = "caliper"  # open polyline that a length was taken along
    POINT = "point"


@dataclass(slots=True, kw_only=True)
class DrawnGroup:
    """One mark on one frame and what was measured there."""

    thing: str  # Finding.group
    label: str  # what the mark shows, within the thing
    shape: Shape
    frame: int
    points: tuple[Point, ...]
    primary: bool = False  # the thing's first outline
    code: Code | None = None
    site: Code | None = None
    confidence: float | None = None
    quantities: list[Quantity] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ToldGroup:
    """What is said of one thing without a mark."""

    thing: str
    code: Code | None = None
    site: Code | None = None
    confidence: float | None = None
    frames: set[int] = field(default_factory=set)
    quantities: list[Quantity] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)  # each said once


def drawn_groups(findings: Sequence[Finding]) -> tuple[DrawnGroup, ...]:
    """The groups with coordinates, in the order of the findings."""
    codes = _codes_of_things(findings)
    groups: dict[tuple[str, Shape, int, tuple[Point, ...]], DrawnGroup] = {}
    outlined: set[str] = set()
    believed: set[str] = set()  # things whose certainty is said: once, or a viewer's labels fill with it
    for finding in findings:
        for label, shape, points in _marks(finding):
            key = (finding.group, shape, finding.frame, points)
            group = groups.get(key)
            if group is None:
                primary = shape is Shape.OUTLINE and finding.group not in outlined
                group = groups[key] = DrawnGroup(
                    thing=finding.group,
                    label=label,
                    shape=shape,
                    frame=finding.frame,
                    points=points,
                    primary=primary,
                    code=codes.get(finding.group),
                )
                if primary:
                    outlined.add(finding.group)
            group.site = group.site or finding.site
            if isinstance(finding, Quantity):
                group.quantities.append(finding)
            if finding.group not in believed and finding.confidence is not None:
                believed.add(finding.group)
                group.confidence = finding.confidence
    return tuple(groups.values())


def told_groups(findings: Sequence[Finding]) -> tuple[ToldGroup, ...]:
    """The groups without coordinates; a thing that is only drawn, with nothing more to say, has none."""
    codes = _codes_of_things(findings)
    groups: dict[str, ToldGroup] = {}
    drawn = {finding.group for finding in findings if any(True for _ in _marks(finding))}
    for finding in findings:
        comment = _comment(finding, drawn)
        is_drawn = any(True for _ in _marks(finding))
        told = isinstance(finding, Category) or (isinstance(finding, Quantity) and not is_drawn)
        if not told and comment is None:
            continue
        group = groups.setdefault(finding.group, ToldGroup(thing=finding.group, code=codes.get(finding.group)))
        group.frames.add(finding.frame)
        group.site = group.site or finding.site
        group.confidence = finding.confidence if group.confidence is None else group.confidence
        if isinstance(finding, Category):
            group.categories.append(finding)
        elif isinstance(finding, Quantity) and not is_drawn:
            group.quantities.append(finding)
        if comment is not None and comment not in group.comments:
            group.comments.append(comment)
    return tuple(groups.values())


def _codes_of_things(findings: Iterable[Finding]) -> dict[str, Code]:
    """What each thing is: the type of its mask, its box or its points."""
    marked = (finding for finding in findings if isinstance(finding, Mask | Box | Landmarks))
    return {finding.group: finding.code for finding in marked if finding.code}


def _marks(finding: Finding) -> Iterable[tuple[str, Shape, tuple[Point, ...]]]:
    """Label, shape and points of what a finding draws."""
    match finding:
        case Quantity(points=points) if points:
            if len(points) == 1:
                yield finding.name, Shape.POINT, points
            elif finding.measure is Measure.LENGTH or len(points) == 2:
                yield finding.name, Shape.CALIPER, points
            else:
                yield "outline", Shape.OUTLINE, points
        case Box(left=left, top=top, right=right, bottom=bottom):
            yield finding.name, Shape.OUTLINE, ((left, top), (right, top), (right, bottom), (left, bottom))
        case Landmarks(points=points, labels=labels):
            for label, point in zip(labels, points, strict=True):
                yield label, Shape.POINT, (point,)


def _comment(finding: Finding, drawn: set[str]) -> str | None:
    match finding:
        case NoFinding():
            return no_finding_text(finding)
        case Narrative(text=text):
            return text
        case Quantity():
            return withheld_text(finding)
        case Mask() if finding.group not in drawn and finding.packed.any():
            return f"{finding.name}: see the segmentation"
        case _:
            return None
