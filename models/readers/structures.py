"""Reader of several structures: a mask of each in each frame that passes its gates, areas of the surest frame.

Where the card wants it, also the ejection fraction of one of them, from all frames of a cine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Mask, Measure, NoFinding, Quantity
from models.geometry import polygon
from models.geometry.extents import extent
from models.packages.settings_pictures import MaskedStructure, SegmentationSettings
from models.readers.areas import likely_in_frame, mask_in_frame, outline_in_frame
from models.readers.ejecting import Ejection
from models.readers.marking import Marked, against_others, mark
from models.readers.reader import Raw, Seen
from models.readers.saying import AREA
from models.readers.scoping import out_of_scope, scope_of

View = tuple[int, int, int, int]


class StructuresReader:
    """Structures in each view of a still or a cine.

    A structure that is nowhere marked is not mentioned while another is found; one that was marked and never passed
    its gates is said to be withheld, and why.

    Parameters
    ----------
    settings
        Of the card.
    likely
        Whether masks keep the probabilities of their pixels, as the head says them.
    """

    def __init__(self, settings: SegmentationSettings, *, likely: bool = False) -> None:
        self._settings, self._likely = settings, likely
        self._views: list[View] = []
        self._masks: list[Mask] = []
        self._best: dict[tuple[int, View], Marked] = {}  # the surest frame so far, by structure and view
        self._withheld: dict[int, Marked] = {}  # the surest that was not said, by structure
        self._ejection = None if settings.ejection is None else Ejection(settings.ejection, settings.structures)
        self._nothing: tuple[float, int, str] | None = (
            None  # scope score, frame and words of the picture nearest to scope
        )

    def see(self, seen: Seen) -> None:
        """Mark each structure in one view; keep its mask, and the maps of the surest frame."""
        scope, reason = scope_of(seen.raw), out_of_scope(seen, self._settings, self._settings.name)
        if self._nothing is None or scope > self._nothing[0]:
            self._nothing = (scope, seen.frame, reason or self._unmarked())
        marks = [] if reason is not None else self._marks(seen)
        for number, marked in enumerate(marks):
            if marked is not None:
                self._note(number, self._settings.structures[number], marked, scope)
        if self._ejection is not None:
            self._ejection.look(seen.place.view, marks)

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """None: mirrored, a left structure would be a right one."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Masks of all frames, areas, then what was withheld; or that nothing was found."""
        said: list[Finding] = list(self._masks)
        for (number, view), marked in sorted(self._best.items(), key=lambda item: item[0][0]):
            asked = self._settings.structures[number]
            if asked.area:
                said.append(_area(marked, asked, self._group(asked, view)))
        if self._ejection is not None:
            said += self._ejection.findings()
        found = {number for number, _ in self._best}
        said += [
            _withheld(marked, self._settings.structures[number])
            for number, marked in sorted(self._withheld.items())
            if number not in found
        ]
        return tuple(said) or (self._no_finding(),)

    def _marks(self, seen: Seen) -> list[Marked | None]:
        """What is marked of each structure in one view."""
        probabilities = seen.raw["mask"]
        likely = against_others(probabilities) if self._settings.exclusive else probabilities
        return [
            mark(likely[number], probabilities[number], asked, seen.frame, seen.place)
            for number, asked in enumerate(self._settings.structures)
        ]

    def _note(self, number: int, asked: MaskedStructure, marked: Marked, scope: float) -> None:
        if marked.silence is None:
            mask = mask_in_frame(marked.likely, marked.place)
            if mask.any():
                self._say(number, asked, marked, scope, mask)
            return
        kept = self._withheld.get(number)
        if kept is None or marked.confidence > kept.confidence:
            self._withheld[number] = marked

    def _say(self, number: int, asked: MaskedStructure, marked: Marked, scope: float, mask: NDArray[np.bool_]) -> None:
        view, structure = marked.place.view, asked.structure
        kept = self._best.get((number, view))
        if kept is None or marked.confidence > kept.confidence:
            self._best[number, view] = marked
        self._masks.append(
            Mask(
                name=structure.name,
                group=self._group(asked, view),
                frame=marked.frame,
                code=structure.type.to_code(),
                site=structure.site.to_code(),
                confidence=scope * marked.confidence,
                category=structure.category.to_code(),
                rows=marked.place.rows,
                columns=marked.place.columns,
                deflated=Mask.deflate(mask),
                likely=self._probabilities(marked),
            )
        )

    def _probabilities(self, marked: Marked) -> bytes | None:
        if not self._likely:
            return None
        return Mask.deflate_likely(likely_in_frame(marked.probability, marked.place))

    def _group(self, asked: MaskedStructure, view: View) -> str:
        if view not in self._views:
            self._views.append(view)
        return f"{asked.structure.name} {self._views.index(view) + 1}"

    def _unmarked(self) -> str:
        return f"no {' or '.join(asked.structure.name for asked in self._settings.structures)} was marked"

    def _no_finding(self) -> NoFinding:
        name = self._settings.name
        scope, frame, reason = self._nothing if self._nothing is not None else (0.0, 1, "no picture was looked at")
        return NoFinding(name=name, group=name, frame=frame, confidence=scope, reason=reason)


def _area(marked: Marked, asked: MaskedStructure, group: str) -> Quantity:
    rim = outline_in_frame(polygon(marked.likely), marked.place)
    return Quantity(
        name="area",
        group=group,
        frame=marked.frame,
        code=AREA,
        site=asked.structure.site.to_code(),
        confidence=marked.confidence,
        value=extent(np.array(rim), Measure.AREA),
        unit="px2",
        measure=Measure.AREA,
        points=rim,
    )


def _withheld(marked: Marked, asked: MaskedStructure) -> NoFinding:
    structure = asked.structure
    return NoFinding(
        name=structure.name,
        group=structure.name,
        frame=marked.frame,
        code=structure.type.to_code(),
        site=structure.site.to_code(),
        confidence=marked.confidence,
        reason=marked.silence or f"the {structure.name} was not fit to be said",
    )
