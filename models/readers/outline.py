"""Reader of outlines: a mask for each frame that passes the gates, measurements and answers of the surest frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Mask
from models.packages.settings import OutlineSettings
from models.readers.judging import Reading, read
from models.readers.reader import Raw, Seen
from models.readers.saying import answers, mask_finding, no_finding, quantities

View = tuple[int, int, int, int]
LOOKS = 2  # at the measured frame once more: as it is, and mirrored


class OutlineReader:
    """One structure in each view of a still or a cine."""

    def __init__(self, settings: OutlineSettings) -> None:
        self._settings = settings
        self._best: dict[View, tuple[Reading, NDArray[np.uint8]]] = {}  # the surest frame so far, by view
        self._silent: Reading | None = None
        self._masks: list[Mask] = []

    def see(self, seen: Seen) -> None:
        """Judge one view; keep its mask, and its square while it is the surest."""
        scope = float(seen.raw["scope"]) if "scope" in seen.raw else 1.0
        reading = read(seen.raw["mask"], scope, seen.frame, seen.place, self._settings)
        if reading.silence is not None:
            if self._silent is None or reading.scope > self._silent.scope:
                self._silent = reading
            return
        kept = self._best.get(reading.place.view)
        if kept is None or reading.confidence > kept[0].confidence:
            self._best[reading.place.view] = (reading, seen.square)
        mask = mask_finding(reading, self._group(reading.place.view), self._settings)
        if mask is not None:
            self._masks.append(mask)

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """The surest square of each view, as it is and mirrored: the mean of both looks is steadier than one."""
        return [look for _, square in self._best.values() for look in (square, np.ascontiguousarray(square[:, ::-1]))]

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Masks of all frames, then what was measured and answered."""
        masks, said = list(self._masks), list[Finding]()
        question = self._settings.question
        for number, (kept, _) in enumerate(self._best.values()):
            plain, mirrored = again[LOOKS * number : LOOKS * number + LOOKS]
            reading = self._steadied(kept, plain, mirrored)
            group = self._group(kept.place.view)
            better = mask_finding(reading, group, self._settings)
            if better is not None:
                masks = [better if m.group == group and m.frame == reading.frame else m for m in masks]
            said += quantities(reading, group, self._settings)
            if question is not None:
                logit = (float(plain["kind"]) + float(mirrored["kind"])) / 2
                sure = 1 / (1 + np.exp(-(logit / question.temperature + question.shift)))
                said += answers(float(sure), reading, group, self._settings, question)
        if not self._best and self._silent is not None:
            said.append(no_finding(self._silent, self._settings))
        return (*masks, *said)

    def _steadied(self, kept: Reading, plain: Raw, mirrored: Raw) -> Reading:
        likely = np.asarray((plain["mask"] + mirrored["mask"][:, ::-1]) / 2, dtype=np.float32)
        reading = read(likely, kept.scope, kept.frame, kept.place, self._settings)
        unfit = reading.component is None or (self._settings.measures == "ellipse" and reading.ellipse is None)
        return kept if unfit else reading

    def _group(self, view: View) -> str:
        return f"{self._settings.structure.name} {list(self._best).index(view) + 1}"
