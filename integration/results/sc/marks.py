"""What is drawn on each frame, and what is said below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.results.colours import Rgb, colours_of
from integration.results.values import box_label, finding_texts
from models.findings import Box, Finding, Landmarks, Mask, Measure, Narrative, NoFinding, Point, Quantity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """A polyline on a frame, in pixels."""

    points: NDArray[np.float64]  # (n, 2) x, y
    closed: bool
    colour: Rgb
    label: str = ""  # short; drawn beside the line


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One line of the legend."""

    text: str
    colour: Rgb | None = None  # of the mark it speaks of; None: no mark


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """All marks by frame, masks by frame (outlined when drawn), and the legend of the whole picture."""

    lines: dict[int, list[Line]] = field(default_factory=dict)
    masks: dict[int, list[tuple[Mask, Rgb]]] = field(default_factory=dict)
    legend: tuple[Words, ...] = ()


def overlay_of(findings: Sequence[Finding], *, multi_frame: bool, colours: Mapping[str, Rgb] | None = None) -> Overlay:
    """Sort findings into marks and words. Calipers are numbered in the order of the legend.

    Parameters
    ----------
    findings
        Of one image, or of one of its frames.
    multi_frame
        Whether the legend names the frames.
    colours
        By thing; None: `colours_of` these findings.
    """
    colours = colours_of(findings) if colours is None else colours
    lines: dict[int, list[Line]] = {}
    masks: dict[int, list[tuple[Mask, Rgb]]] = {}
    legend: dict[Words, None] = {}
    calipers = 0
    for finding in findings:
        colour = colours[finding.group]
        label = ""
        if isinstance(finding, Mask):
            masks.setdefault(finding.frame, []).append((finding, colour))
        elif isinstance(finding, Quantity) and finding.measure is Measure.LENGTH and finding.points:
            calipers += 1
            label = str(calipers)
        lines.setdefault(finding.frame, []).extend(_lines(finding, colour, label))
        for position, text in enumerate(finding_texts(finding)):
            marked = position == 0 and not isinstance(finding, NoFinding | Narrative)
            where = f" (frame {finding.frame})" if multi_frame and marked else ""
            number = f"{label}  " if label and marked else ""
            legend.setdefault(Words(text=f"{number}{text}{where}", colour=colour if marked else None))
    return Overlay(lines=lines, masks=masks, legend=tuple(legend))


def outlines(mask: Mask) -> list[NDArray[np.int32]]:
    """The borders of a mask, holes included, each (n, 1, 2)."""
    found, _ = cv2.findContours(mask.to_array().view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(border, np.int32) for border in found]


def _lines(finding: Finding, colour: Rgb, label: str) -> list[Line]:
    match finding:
        case Quantity(points=points) if points:
            return [_line(points, colour, closed=finding.measure.closed, label=label)]
        case Box(left=left, top=top, right=right, bottom=bottom):
            corners = ((left, top), (right, top), (right, bottom), (left, bottom))
            return [_line(corners, colour, closed=True, label=box_label(finding))]
        case Landmarks(points=points, labels=labels):
            return [
                _line((point,), colour, closed=False, label=name) for name, point in zip(labels, points, strict=True)
            ]
        case _:
            return []


def _line(points: tuple[Point, ...], colour: Rgb, *, closed: bool, label: str) -> Line:
    return Line(points=np.asarray(points, np.float64).reshape(-1, 2), closed=closed, colour=colour, label=label)
