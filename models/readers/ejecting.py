"""Ejection fraction and volumes of a ventricle that was marked in every frame of a cine, or why they are not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.findings import Code, Finding, Measure, Narrative, NoFinding, Quantity
from models.geometry.discs import discs_of, ejection_fraction
from models.geometry.extents import extent
from models.packages.settings_ejection import EjectionFraction
from models.packages.settings_pictures import MaskedStructure
from models.readers.coordinates import as_points, to_frame
from models.readers.marking import Marked

View = tuple[int, int, int, int]
METHOD = Code(value="125208", scheme="DCM", meaning="Method of Disks, Single Plane")  # PS3.16 CID 12227
AT_EDGE_PX = 1.0  # of the frame: an outline nearer to the view's edge may go on beyond it
PHASES = ("end-diastolic volume", "end-systolic volume")
_OF_NO_VIEW = ("Left Ventricular End Diastolic Volume", "Left Ventricular End Systolic Volume")
_OF_ONE_VIEW = (
    "Left ventricular end diastolic volume single plane {} (MOD)",
    "Left ventricular end systolic volume single plane {} (MOD)",
)
VOLUMES = {
    "18043-0": (("18026-5", _OF_NO_VIEW[0]), ("18148-7", _OF_NO_VIEW[1])),
    "79992-4": (("79998-1", _OF_ONE_VIEW[0].format("2C")), ("80003-7", _OF_ONE_VIEW[1].format("2C"))),
    "79993-2": (("79999-9", _OF_ONE_VIEW[0].format("4C")), ("80004-5", _OF_ONE_VIEW[1].format("4C"))),
}
"""The LOINC codes (PS3.16 CID 12200 and CID 12300) of volumes, by that of the ejection fraction that they give."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beat:
    """The cavity in one frame."""

    frame: int
    volume: float  # px^3 of the square that the network saw
    confidence: float
    cut: bool  # whether it reaches the edge of the view
    sides: NDArray[np.float64]  # (n, 2), of its discs as a polygon in pixels of the frame


@dataclass(slots=True, kw_only=True, eq=False)
class Heart:
    """The cavity through the frames of one view; less than a kilobyte a frame is kept."""

    frames: int = 0  # that were looked at
    beats: list[Beat] = field(default_factory=list)


class Ejection:
    """Volumes of one job's cavity, by view.

    Parameters
    ----------
    settings
        What is said of the cavity.
    structures
        Of the card; the cavity is one of them.
    """

    def __init__(self, settings: EjectionFraction, structures: Sequence[MaskedStructure]) -> None:
        self._settings = settings
        self._number = [each.structure.name for each in structures].index(settings.structure)
        self._site = structures[self._number].structure.site.to_code()
        self._hearts: dict[View, Heart] = {}

    def look(self, view: View, marks: Sequence[Marked | None]) -> None:
        """Take note of one view of one frame: what was marked of each structure; empty where it is out of scope."""
        heart = self._hearts.setdefault(view, Heart())
        heart.frames += 1
        cavity = marks[self._number] if marks else None
        beat = _beat(cavity) if cavity is not None and cavity.silence is None else None
        if beat is not None:
            heart.beats.append(beat)

    def findings(self) -> list[Finding]:
        """Of each view where several frames were looked at and any shows the cavity; a still has none."""
        said: list[Finding] = []
        for number, heart in enumerate(self._hearts.values(), 1):
            if heart.frames > 1 and heart.beats:
                said += self._said(heart, f"{self._settings.name} {number}")
        return said

    def _said(self, heart: Heart, group: str) -> list[Finding]:
        s = self._settings
        largest, smallest = (pick(heart.beats, key=lambda beat: beat.volume) for pick in (max, min))
        percent = ejection_fraction(largest.volume, smallest.volume) + s.shift
        reason = self._silence(heart, percent)
        code = None if s.code is None else s.code.to_code()
        if reason is not None:
            return [NoFinding(name=s.name, group=group, frame=largest.frame, code=code, site=self._site, reason=reason)]
        mended = f", of them {s.shift:+.1f} added as validation pictures want it" if s.shift else ""
        words = (
            f"{s.name} {percent:.1f} % by the method of discs in one plane{mended}: {s.structure} largest in frame"
            f" {largest.frame}, smallest in frame {smallest.frame} of {heart.frames}; too low where the cine holds no"
            " whole beat; volumes, where the image has a scale, were never compared with a reference"
        )
        return [
            Quantity(
                name=s.name,
                group=group,
                frame=largest.frame,
                code=code,
                site=self._site,
                confidence=min(largest.confidence, smallest.confidence),
                value=percent,
                unit="%",
                method=METHOD,
            ),
            Narrative(name=s.name, group=group, frame=smallest.frame, code=code, site=self._site, text=words),
            *self._volumes(largest, smallest, group),
        ]

    def _volumes(self, largest: Beat, smallest: Beat, group: str) -> list[Finding]:
        """Of the largest and the smallest cavity, as they were marked: nothing is added to these."""
        fraction = self._settings.code
        known = VOLUMES.get(fraction.value) if fraction is not None and fraction.scheme == "LN" else None
        codes = [None, None] if known is None else [Code(value=v, scheme="LN", meaning=words) for v, words in known]
        return [
            Quantity(
                name=name,
                group=group,
                frame=beat.frame,
                code=code,
                site=self._site,
                confidence=beat.confidence,
                value=extent(beat.sides, Measure.VOLUME),
                unit="px3",
                measure=Measure.VOLUME,
                points=as_points(beat.sides),
                method=METHOD,
            )
            for name, code, beat in zip(PHASES, codes, (largest, smallest), strict=True)
        ]

    def _silence(self, heart: Heart, percent: float) -> str | None:
        s, name = self._settings, self._settings.structure
        least, most = s.plausible
        if heart.frames < s.least_frames:
            return f"{heart.frames} frames hardly hold a beat, {s.least_frames} are needed"
        if len(heart.beats) < heart.frames:
            return f"the {name} was marked in {len(heart.beats)} of {heart.frames} frames; all are needed"
        cut = sum(beat.cut for beat in heart.beats)
        if cut:
            return f"the {name} reaches the edge of the picture in {cut} of {heart.frames} frames"
        if max(_jumps(heart.beats)) > s.most_jump:
            return f"the volume of the {name} changes by {max(_jumps(heart.beats)):.0%} from one frame to the next"
        if not least <= percent <= most:
            return f"{percent:.1f} % is not within {least:.0f} % to {most:.0f} %"
        return None


def _beat(cavity: Marked) -> Beat | None:
    pile = discs_of(cavity.likely)
    if pile is None:
        return None
    view, rim = np.array(cavity.place.view, dtype=np.float64), to_frame(pile.outline, cavity.place)
    room = min(float((rim - view[:2]).min()), float((view[2:] - rim).min()))
    return Beat(
        frame=cavity.frame,
        volume=pile.volume,
        confidence=cavity.confidence,
        cut=room < AT_EDGE_PX,
        sides=to_frame(pile.sides, cavity.place),
    )


def _jumps(beats: Sequence[Beat]) -> list[float]:
    """By what share of the greater the volumes of neighbouring frames differ."""
    return [abs(a.volume - b.volume) / max(a.volume, b.volume) for a, b in pairwise(beats)]
