"""Steadier numbers and answers: medians over a short time, and answers that change only when they mean it.

A median, not a mean: one outline that slipped does not move it at all. Nothing is carried over from one thing to
another: what is shown always rests on the newest frame having found the same thing in the same view.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TypeAlias

from models.findings import Category, Code, Finding, Point, Quantity

Key: TypeAlias = tuple[str, str, str, int]  # kind, group, name, and which of several such
Extent: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How steady."""

    window_s: float = 1.0  # over which medians are taken; 0: each frame stands alone
    confirm: int = 3  # frames in a row with another answer before it is shown
    forget: int = 5  # frames without the thing after which its past is forgotten


@dataclass(slots=True, kw_only=True)
class _Track:
    """The past of one thing."""

    kind: Hashable  # what must stay the same for values to be comparable: the unit
    extent: Extent | None
    missed: int = 0
    values: deque[tuple[float, float]] = field(default_factory=deque)  # time, value
    answers: deque[tuple[float, Code, float | None]] = field(default_factory=deque)  # time, answer, probability
    shown: Code | None = None
    other: Code | None = None  # the answer that wants to be shown
    times: int = 0  # it was given in a row


class Smoother:
    """Takes the findings of frame after frame."""

    def __init__(self, how: Smoothing) -> None:
        self._how = how
        self._view: Hashable = None
        self._tracks: dict[Key, _Track] = {}

    def smooth(self, findings: Sequence[Finding], at: float, view: Hashable) -> tuple[Finding, ...]:
        """Findings of the newest frame with steadied values.

        Parameters
        ----------
        findings
            Of one frame.
        at
            When the frame was received, s; never goes back.
        view
            What the frame shows where: size, looked-at rectangles, scale. Another one is a fresh start.

        Returns
        -------
        tuple of Finding
            The same findings in the same order. Of a `Quantity` the value, of a `Category` the answer and its
            probability are steadied; points, boxes and masks are those of the newest frame.
        """
        if view != self._view:
            self._tracks.clear()
            self._view = view
        times: Counter[tuple[str, str, str]] = Counter()
        seen: set[Key] = set()
        out: list[Finding] = []
        for finding in findings:
            name = (type(finding).__name__, finding.group, finding.name)
            key = (*name, times[name])
            times[name] += 1
            seen.add(key)
            match finding:
                case Quantity():
                    out.append(self._quantity(finding, key, at))
                case Category():
                    out.append(self._category(finding, key, at))
                case _:
                    out.append(finding)
        self._miss(seen)
        return tuple(out)

    def _miss(self, seen: set[Key]) -> None:
        for key in [key for key in self._tracks if key not in seen]:
            self._tracks[key].missed += 1
            if self._tracks[key].missed >= self._how.forget:
                del self._tracks[key]

    def _track(self, key: Key, kind: Hashable, points: Sequence[Point]) -> _Track:
        """The past of a thing; a fresh one where the thing is another: elsewhere, or measured otherwise."""
        extent = _extent(points)
        track = self._tracks.get(key)
        if track is None or track.kind != kind or _apart(track.extent, extent):
            track = self._tracks[key] = _Track(kind=kind, extent=extent)
        track.extent, track.missed = extent, 0
        return track

    def _quantity(self, finding: Quantity, key: Key, at: float) -> Quantity:
        track = self._track(key, finding.unit, finding.points)
        track.values.append((at, finding.value))
        while track.values[0][0] < at - self._how.window_s:
            track.values.popleft()
        return replace(finding, value=median(value for _, value in track.values))

    def _category(self, finding: Category, key: Key, at: float) -> Category:
        track = self._track(key, None, ())
        track.answers.append((at, finding.value, finding.probability))
        while track.answers[0][0] < at - self._how.window_s:
            track.answers.popleft()
        shown = self._answer(track, finding.value)
        sure = [share for _, answer, share in track.answers if answer == shown and share is not None]
        if sure:
            return replace(finding, value=shown, probability=median(sure), confidence=median(sure))
        return finding if shown == finding.value else replace(finding, value=shown, probability=None, confidence=None)

    def _answer(self, track: _Track, newest: Code) -> Code:
        """The answer to show: another one must be given several times in a row, or be the only one left."""
        track.times = track.times + 1 if newest == track.other else 1
        track.other = newest
        held = any(answer == track.shown for _, answer, _ in track.answers)
        if track.shown is None or not held or track.times >= self._how.confirm:
            track.shown = newest
        return track.shown


def _extent(points: Sequence[Point]) -> Extent | None:
    if not points:
        return None
    across, down = [x for x, _ in points], [y for _, y in points]
    return min(across), min(down), max(across), max(down)


def _apart(one: Extent | None, other: Extent | None) -> bool:
    """Whether two things share no place, so that they cannot be one thing a frame later."""
    if one is None or other is None:
        return False
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
