"""What is laid over each frame: outlines, calipers and points, with the words of each beside it.

Coordinates are those of PIXEL units: (0, 0) is the corner of the first pixel, its centre (0.5, 0.5).

References
----------
DICOM PS3.3 C.10.5.1 (graphic annotation units and types).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from integration.results.sc.marks import outlines
from integration.results.values import box_label, category_text, quantity_text
from models.findings import Box, Category, Finding, Landmarks, Mask, Quantity

Points: TypeAlias = NDArray[np.float32]
Corners: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

CENTRE_OF_PIXEL: Final = 0.5
MOST_POINTS: Final = 8000  # GraphicData is FL with a length of 16 bits: 8191 pairs
_LETTER: Final = 0.6  # width of a letter by its height


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graphic:
    """A polyline, closed where its last point is its first, or a point."""

    points: Points  # (n, 2) x, y; one row: a point


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Words in a rectangle beside what they speak of."""

    lines: tuple[str, ...]
    box: Corners


@dataclass(slots=True, kw_only=True)
class Marks:
    """All of one thing on one frame."""

    graphics: list[Graphic] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class FrameMarks:
    """All of one frame: marks by thing, and what is said without a place."""

    things: dict[str, Marks] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)


def marks_by_frame(findings: Sequence[Finding], rows: int, columns: int) -> dict[int, FrameMarks]:
    """Sort findings into what is drawn and written on each frame, in the order of the frames.

    Parameters
    ----------
    findings
        Of one image.
    rows, columns
        Size of its frames.
    """
    drawing = _Drawing(rows, columns)
    frames: dict[int, list[Finding]] = {}
    for finding in findings:
        frames.setdefault(finding.frame, []).append(finding)
    marked = {number: drawing.of_frame(said) for number, said in sorted(frames.items())}
    return {number: each for number, each in marked.items() if each.things or each.captions}


@dataclass(slots=True, kw_only=True, eq=False)
class _Shape:
    """One graphic and the words that go beside it."""

    thing: str
    points: Points
    lines: list[str] = field(default_factory=list)


class _Drawing:
    """Places marks and words on frames of one size."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        self._letter_px = max(8.0, min(rows, columns) / 40)

    def of_frame(self, findings: Sequence[Finding]) -> FrameMarks:
        marks = FrameMarks()
        taken: list[Corners] = []
        shapes = self._shapes(findings)
        for shape in shapes:
            of_thing = marks.things.setdefault(shape.thing, Marks())
            of_thing.graphics.extend(Graphic(points=part) for part in _parts(shape.points))
            if shape.lines:
                box = self._place(shape, taken)
                taken.append(box)
                of_thing.notes.append(Note(lines=tuple(shape.lines), box=box))
        marks.captions += [text for finding in findings if (text := _caption(finding)) is not None]
        return marks

    def _shapes(self, findings: Sequence[Finding]) -> list[_Shape]:
        """The shapes of one frame; measurements of the same points share one."""
        shapes: dict[tuple[str, bytes], _Shape] = {}
        for finding in findings:
            for points, words in self._drawn(finding):
                key = (finding.group, points.tobytes())
                shape = shapes.setdefault(key, _Shape(thing=finding.group, points=points))
                if words:
                    shape.lines.append(words)
        named = {shape.thing for shape in shapes.values() if shape.lines}
        for shape in shapes.values():
            if shape.thing not in named:
                shape.lines.append(shape.thing)
                named.add(shape.thing)
        return list(shapes.values())

    def _drawn(self, finding: Finding) -> Iterator[tuple[Points, str]]:
        match finding:
            case Mask():
                for border in outlines(finding):
                    yield self._closed(border.reshape(-1, 2)), ""
            case Quantity(points=points) if points:
                drawn = self._closed(points) if finding.measure.closed else self._within(points)
                yield drawn, quantity_text(finding)
            case Box(left=left, top=top, right=right, bottom=bottom):
                yield (
                    self._closed(((left, top), (right, top), (right, bottom), (left, bottom))),
                    box_label(finding),
                )
            case Landmarks(points=points, labels=labels):
                for label, point in zip(labels, points, strict=True):
                    yield self._within((point,)), label

    def _within(self, points: object) -> Points:
        """Pixels of findings to PIXEL units, held inside the frame, beyond which these may not go."""
        moved = np.asarray(points, np.float64).reshape(-1, 2) + CENTRE_OF_PIXEL
        return np.clip(moved, 0.0, (self._columns, self._rows)).astype(np.float32)

    def _closed(self, points: object) -> Points:
        ring = self._within(points)
        return ring if np.array_equal(ring[0], ring[-1]) and len(ring) > 1 else np.concatenate([ring, ring[:1]])

    def _place(self, shape: _Shape, taken: Sequence[Corners]) -> Corners:
        """Where words stand: above a closed line, else beyond the end of an open one; lower where others stand."""
        height = self._letter_px * 1.3 * len(shape.lines)
        width = self._letter_px * _LETTER * max(len(line) for line in shape.lines)
        gap = self._letter_px / 2
        if len(shape.points) > 2:
            left, top = map(float, shape.points.min(axis=0))
            top -= height + gap
        else:
            left, top = map(float, shape.points[-1] + gap)
        left = min(max(0.0, left), max(0.0, self._columns - width))
        top = max(0.0, top)
        for _ in taken:
            under = [box[3] for box in taken if _meet(box, (left, top, left + width, top + height))]
            if not under:
                break
            top = max(under)
        top = min(top, max(0.0, self._rows - height))
        return left, top, min(float(self._columns), left + width), min(float(self._rows), top + height)


def _meet(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _parts(points: Points) -> Iterator[Points]:
    """A line in pieces that an element can hold, each beginning where the one before ends."""
    for start in range(0, max(1, len(points) - 1), MOST_POINTS - 1):
        yield points[start : start + MOST_POINTS]


def _caption(finding: Finding) -> str | None:
    match finding:
        case Category():
            return f"{finding.group}: {category_text(finding)}"
        case Quantity(points=()):
            return f"{finding.group}: {quantity_text(finding)}"
        case _:
            return None
