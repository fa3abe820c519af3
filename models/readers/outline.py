"""Reader of outlines: a mask for each frame that passes the gates, measurements and answers of the surest frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Mask
from models.packages.settings import OutlineSettings
from models.readers.judging import Reading, apart, read
from models.readers.numbering import Numbers, View
from models.readers.reader import Raw, Seen
from models.readers.saying import answers, mask_finding, no_finding, quantities
from models.readers.scoping import out_of_scope, scope_of

LOOKS = 2  # at the measured frame once more: as it is, and mirrored


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Kept:
    """The surest frame of a view."""

    reading: Reading
    square: NDArray[np.uint8]
    numbers: list[int]  # of its structures


class OutlineReader:
    """One structure, or as many as the settings allow, in each view of a still or a cine."""

    def __init__(self, settings: OutlineSettings, *, likely: bool = False) -> None:
        self._settings, self._likely = settings, likely  # whether masks keep the probabilities of their pixels
        self._best: dict[View, _Kept] = {}  # the surest frame so far, by view
        self._numbers = Numbers()
        self._views: dict[View, int] = {}  # in the order in which something was outlined in them
        self._silent: Reading | None = None
        self._masks: list[Mask] = []

    def see(self, seen: Seen) -> None:
        """Judge one view; keep its mask, and its square while it is the surest."""
        barred = out_of_scope(seen, self._settings, self._settings.structure.name)
        reading = read(seen.raw["mask"], scope_of(seen.raw), seen.frame, seen.place, self._settings, barred)
        if reading.silence is not None:
            if self._silent is None or reading.scope > self._silent.scope:
                self._silent = reading
            return
        numbers = self._numbered(reading)
        kept = self._best.get(reading.place.view)
        if kept is None or reading.confidence > kept.reading.confidence:
            self._best[reading.place.view] = _Kept(reading=reading, square=seen.square, numbers=numbers)
        self._masks += self._outlined(reading, numbers)

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """The surest square of each view, as it is and mirrored: the mean of both looks is steadier than one."""
        return [
            look for kept in self._best.values() for look in (kept.square, np.ascontiguousarray(kept.square[:, ::-1]))
        ]

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Masks of all frames, then what was measured and answered."""
        masks, said = list(self._masks), list[Finding]()
        question = self._settings.question
        for number, kept in enumerate(self._best.values()):
            plain, mirrored = again[LOOKS * number : LOOKS * number + LOOKS]
            reading = self._steadied(kept.reading, plain, mirrored)
            numbers = self._numbered_again(reading, kept)
            masks = _with(masks, self._outlined(reading, numbers), reading.frame, self._groups(kept.numbers))
            for one, group in zip(apart(reading), self._groups(numbers), strict=True):
                said += quantities(one, group, self._settings)
            if question is not None:
                logit = (float(plain["kind"]) + float(mirrored["kind"])) / 2
                sure = 1 / (1 + np.exp(-(logit / question.temperature + question.shift)))
                said += answers(float(sure), reading, self._groups(numbers)[0], self._settings, question)
        if not self._best and self._silent is not None:
            said.append(no_finding(self._silent, self._settings))
        return (*masks, *said)

    def _steadied(self, kept: Reading, plain: Raw, mirrored: Raw) -> Reading:
        likely = np.asarray((plain["mask"] + mirrored["mask"][:, ::-1]) / 2, dtype=np.float32)
        reading = read(likely, kept.scope, kept.frame, kept.place, self._settings)
        unfit = reading.component is None or (self._settings.measures == "ellipse" and reading.ellipse is None)
        return kept if unfit else reading

    def _numbered(self, reading: Reading) -> list[int]:
        view = reading.place.view
        if self._settings.most > 1:
            return self._numbers.of(view, reading.parts)
        self._views.setdefault(view, len(self._views) + 1)  # the one structure of a view is the same in all its frames
        return [self._views[view]]

    def _numbered_again(self, reading: Reading, kept: _Kept) -> list[int]:
        if self._settings.most == 1:
            return kept.numbers
        return self._numbers.again(reading.parts, kept.reading.parts, kept.numbers)

    def _groups(self, numbers: Sequence[int]) -> list[str]:
        return [f"{self._settings.structure.name} {number}" for number in numbers]

    def _outlined(self, reading: Reading, numbers: Sequence[int]) -> list[Mask]:
        parts = zip(apart(reading), self._groups(numbers), strict=True)
        found = (mask_finding(one, group, self._settings, likely=self._likely) for one, group in parts)
        return [mask for mask in found if mask is not None]


def _with(masks: Sequence[Mask], better: Sequence[Mask], frame: int, groups: Sequence[str]) -> list[Mask]:
    """Masks with those of the groups on one frame replaced in their place, where there is something better."""
    old = [number for number, mask in enumerate(masks) if mask.frame == frame and mask.group in groups]
    if not better or not old:
        return list(masks)
    rest = [mask for number, mask in enumerate(masks) if number not in old]
    return [*rest[: old[0]], *better, *rest[old[0] :]]
