"""Reader of points: those of the surest frame of each view that are sure, and what is measured between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Landmarks, Measure, NoFinding, Quantity
from models.frames import Place
from models.geometry.extents import angle_deg, extent
from models.packages.settings_landmarks import LandmarksSettings, PointQuantity
from models.readers.coordinates import as_points, held_in_view, outside_view, to_frame
from models.readers.reader import Raw, Seen
from models.readers.scoping import out_of_scope, scope_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marked:
    """The points of one view of one frame."""

    frame: int
    place: Place
    square: NDArray[np.float64]  # (points, 2), pixels of the square
    source: NDArray[np.float64]  # (points, 2), pixels of the frame, held in the view
    confidence: NDArray[np.float64]  # (points,), 0 to 1
    unsure: tuple[str | None, ...]  # why a point may not be said; None: it may

    @property
    def sureness(self) -> tuple[int, float]:
        """How many points may be said, then how sure all are: the greater, the better a frame."""
        return self.unsure.count(None), float(self.confidence.mean())


class LandmarksReader:
    """Points of one structure in each view of a still or a cine."""

    def __init__(self, settings: LandmarksSettings) -> None:
        self._settings = settings
        self._best: dict[tuple[int, int, int, int], Marked] = {}  # the surest frame so far, by view
        self._silent: tuple[float, int, str] | None = None  # scope score, frame and reason

    def see(self, seen: Seen) -> None:
        """Keep the points of a view while they are its surest."""
        reason = out_of_scope(seen, self._settings, self._settings.structure.name)
        if reason is not None:
            if self._silent is None or scope_of(seen.raw) > self._silent[0]:
                self._silent = (scope_of(seen.raw), seen.frame, reason)
            return
        marked = self._marked(seen)
        kept = self._best.get(seen.place.view)
        if kept is None or marked.sureness > kept.sureness:
            self._best[seen.place.view] = marked

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """One look is enough."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Points and quantities of each view, or why there are none."""
        name = self._settings.structure.name
        said: list[Finding] = []
        for number, marked in enumerate(self._best.values(), 1):
            group = f"{name} {number}"
            landmarks = self._landmarks(marked, group)
            said.append(landmarks)
            if isinstance(landmarks, Landmarks):
                said += [self._quantity(quantity, marked, group) for quantity in self._settings.quantities]
        if not self._best and self._silent is not None:
            _, frame, reason = self._silent
            said.append(self._no_finding(name, name, frame, reason))
        return tuple(said)

    def _marked(self, seen: Seen) -> Marked:
        square = np.asarray(seen.raw["points"], dtype=np.float64)
        sure = np.asarray(seen.raw["confidence"], dtype=np.float64)
        whole = to_frame(square, seen.place)
        order = self._left_first(whole)
        square, sure, whole = square[order], sure[order], whole[order]
        least = self._settings.confidence
        unsure = [
            "lies outside the picture" if off else f"is unsure ({value:.2f} < {least:.2f})" if value < least else None
            for off, value in zip(outside_view(whole, seen.place), sure, strict=True)
        ]
        return Marked(
            frame=seen.frame,
            place=seen.place,
            square=square,
            source=held_in_view(whole, seen.place),
            confidence=sure,
            unsure=tuple(unsure),
        )

    def _left_first(self, points: NDArray[np.float64]) -> list[int]:
        """The order of points in which the left one of a swappable pair comes first: one picture, one answer."""
        labels = list(self._settings.points)
        order = list(range(len(labels)))
        for pair in self._settings.swappable:
            first, second = (labels.index(label) for label in pair)
            if tuple(points[second]) < tuple(points[first]):
                order[first], order[second] = second, first
        return order

    def _landmarks(self, marked: Marked, group: str) -> Landmarks | NoFinding:
        labels = self._settings.points
        sure = [i for i, reason in enumerate(marked.unsure) if reason is None]
        if not sure:
            best = int(marked.confidence.argmax())
            reason = f"no point is sure; the surest, '{labels[best]}', {marked.unsure[best]}"
            return self._no_finding(self._settings.structure.name, group, marked.frame, reason)
        structure = self._settings.structure
        return Landmarks(
            name=structure.name,
            group=group,
            frame=marked.frame,
            code=structure.type.to_code(),
            site=structure.site.to_code(),
            confidence=float(marked.confidence[sure].mean()),
            points=as_points(marked.source[sure]),
            labels=tuple(labels[i] for i in sure),
        )

    def _quantity(self, quantity: PointQuantity, marked: Marked, group: str) -> Quantity | NoFinding:
        at = [self._settings.points.index(label) for label in quantity.points]
        code = None if quantity.code is None else quantity.code.to_code()
        faults = [f"'{self._settings.points[i]}' {marked.unsure[i]}" for i in at if marked.unsure[i] is not None]
        if faults:
            return self._no_finding(quantity.name, group, marked.frame, f"the point {' and '.join(faults)}")
        # An angle asks for square pixels, which the square has. It is told without points: a viewer would draw
        # three of them as a closed outline.
        angle = angle_deg(marked.square[at]) if quantity.measure == "angle" else None
        if quantity.measure == "angle" and angle is None:
            return self._no_finding(quantity.name, group, marked.frame, "two of its points are in one place")
        measure = Measure.NONE if quantity.measure == "angle" else Measure(quantity.measure)
        unit = "deg" if quantity.measure == "angle" else "px2" if measure is Measure.AREA else "px"
        return Quantity(
            name=quantity.name,
            group=group,
            frame=marked.frame,
            code=code,
            site=self._settings.structure.site.to_code(),
            confidence=float(marked.confidence[at].min()),
            value=extent(marked.source[at], measure) if angle is None else angle,
            unit=unit,
            measure=measure,
            points=as_points(marked.source[at]) if angle is None else (),
        )

    def _no_finding(self, name: str, group: str, frame: int, reason: str) -> NoFinding:
        site = self._settings.structure.site.to_code()
        return NoFinding(name=name, group=group, frame=frame, site=site, reason=reason)
