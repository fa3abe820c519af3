"""Reader of boxes: those of the surest frame of each view, or of each frame with one name for one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Box, Finding, NoFinding
from models.packages.settings_detection import DetectionSettings
from models.readers.coordinates import held_in_view, outside_view, to_frame
from models.readers.reader import Raw, Seen
from models.readers.scoping import out_of_scope, scope_of
from models.readers.tracks import Boxed, Tracks, strongest

SMALLEST_PX = 2.0  # edge of a box: below it nothing can be seen in it


class DetectionReader:
    """Any number of structures of several classes in a still or a cine."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._tracks = Tracks()
        self._surest: dict[tuple[int, int, int, int], list[Boxed]] = {}  # boxes of the surest frame, by view
        self._silent: tuple[float, int, str] | None = None  # belief, frame and reason of the nearest to a finding

    def see(self, seen: Seen) -> None:
        """Keep the boxes of one view that reach their thresholds and no stronger one covers."""
        reason = out_of_scope(seen, self._settings, self._settings.subject)
        if reason is not None:
            self._keep_silent(scope_of(seen.raw) - 1, seen.frame, reason)
            return
        found = strongest(self._candidates(seen), self._settings.overlap)
        said = [one for one in found if one.score >= self._settings.classes[one.kind].threshold]
        if not said:
            self._keep_silent(found[0].score if found else 0.0, seen.frame, self._nothing(found))
        elif self._settings.frames == "each":
            self._tracks.add(said)
        elif _sureness(said) > _sureness(self._surest.get(seen.place.view, [])):
            self._surest[seen.place.view] = said

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """One look is enough."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """A box for each thing of each frame that is told of, or why there is none."""
        for said in self._surest.values():
            self._tracks.add(said)
        counts = [0] * len(self._settings.classes)
        boxes: list[Finding] = []
        for track in self._tracks.all:
            kind = track.boxes[0].kind
            counts[kind] += 1
            boxes += [self._box(one, counts[kind]) for one in track.boxes]
        if not boxes and self._silent is not None:
            boxes.append(self._no_finding(*self._silent))
        return tuple(sorted(boxes, key=lambda finding: finding.frame))

    def _candidates(self, seen: Seen) -> list[Boxed]:
        corners = np.asarray(seen.raw["boxes"], dtype=np.float64).reshape(-1, 2)
        whole = to_frame(corners, seen.place)
        centres = whole.reshape(-1, 2, 2).mean(axis=1)
        boxes = held_in_view(whole, seen.place).reshape(-1, 4)
        fits = ~outside_view(centres, seen.place) & ((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= SMALLEST_PX)
        return [
            Boxed(kind=int(kind), score=float(score), box=box, frame=seen.frame, view=seen.place.view)
            for kind, score, box, fit in zip(seen.raw["classes"], seen.raw["scores"], boxes, fits, strict=True)
            if fit
        ]

    def _box(self, one: Boxed, number: int) -> Box:
        structure = self._settings.classes[one.kind].structure
        left, top, right, bottom = (float(edge) for edge in one.box)
        return Box(
            name=structure.name,
            group=f"{structure.name} {number}",
            frame=one.frame,
            code=structure.type.to_code(),
            site=structure.site.to_code(),
            confidence=one.score,
            left=left,
            top=top,
            right=right,
            bottom=bottom,
        )

    def _nothing(self, found: Sequence[Boxed]) -> str:
        if not found:
            return f"found no {self._settings.subject}"
        best = self._settings.classes[found[0].kind]
        return (
            f"found no {self._settings.subject} (likeliest a {best.structure.name}, "
            f"score {found[0].score:.2f} < {best.threshold:.2f})"
        )

    def _keep_silent(self, belief: float, frame: int, reason: str) -> None:
        if self._silent is None or belief > self._silent[0]:
            self._silent = (belief, frame, reason)

    def _no_finding(self, belief: float, frame: int, reason: str) -> NoFinding:
        subject = self._settings.subject
        return NoFinding(name=subject, group=subject, frame=frame, reason=reason)


def _sureness(boxes: Sequence[Boxed]) -> float:
    """A frame that shows more things, or shows them more surely, is the surer one."""
    return sum(one.score for one in boxes)
