"""Reader of numbers: one for each view, from its surest frame or from its frames together, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from models.findings import Code, Finding, Narrative, NoFinding, Quantity
from models.packages.settings_regression import RegressionSettings
from models.readers.reader import Conclude, Raw, Seen
from models.readers.sample import EvenSample
from models.readers.scoping import out_of_scope, scope_of

SPREADS = 1.96  # of a normal distribution: 95 % lie within so many standard deviations
UNCERTAINTY = Code(value="371884006", scheme="SCT", meaning="+/-, range of measurement uncertainty")

View = tuple[int, int, int, int]
Estimate = tuple[int, float, float]  # frame, value and spread
Embedded = tuple[int, NDArray[np.float32]]  # frame and embedding


class RegressionReader:
    """One number of each view of a still or a cine."""

    def __init__(self, settings: RegressionSettings, conclude: Conclude) -> None:
        self._settings = settings
        self._conclude = conclude
        self._frames: dict[View, EvenSample[Embedded]] = {}
        self._best: dict[View, Estimate] = {}  # of the frame with the least spread so far
        self._silent: tuple[float, int, str] | None = None  # scope score, frame and reason

    def see(self, seen: Seen) -> None:
        """Keep what one view of one frame says of the number."""
        reason = out_of_scope(seen, self._settings, self._settings.name)
        view = seen.place.view
        if reason is not None:
            if self._silent is None or scope_of(seen.raw) > self._silent[0]:
                self._silent = (scope_of(seen.raw), seen.frame, reason)
        elif self._settings.over == "frames":
            sample = self._frames.setdefault(view, EvenSample(self._settings.most_frames))
            sample.add((seen.frame, np.asarray(seen.raw["embedding"], dtype=np.float32)))
        elif view not in self._best or float(seen.raw["spread"]) < self._best[view][2]:
            self._best[view] = (seen.frame, float(seen.raw["value"]), float(seen.raw["spread"]))

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """One look is enough."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """The number of each view with its interval, or why it is not said."""
        said: list[Finding] = []
        for number, frames in enumerate(self._frames.values(), 1):
            group = f"{self._settings.name} {number}"
            reason = self._ill_counted(frames.seen)
            if reason is not None:
                said.append(self._no_finding(group, frames.taken()[0][0], reason))
            else:
                said += self._said(self._together(frames.taken()), group)
        for number, estimate in enumerate(self._best.values(), 1):
            said += self._said(estimate, f"{self._settings.name} {number}")
        if not said and self._silent is not None:
            _, frame, reason = self._silent
            said.append(self._no_finding(self._settings.name, frame, reason))
        return tuple(said)

    def _ill_counted(self, frames: int) -> str | None:
        s = self._settings
        if frames < s.least_frames:
            return f"only {frames} frames can be used, {s.least_frames} are needed"
        if frames > s.most_frames and s.more == "refused":
            return f"{frames} frames are more than the {s.most_frames} that the task learned to put together"
        return None

    def _together(self, frames: Sequence[Embedded]) -> Estimate:
        raw = self._conclude(np.stack([embedding for _, embedding in frames]))
        return frames[0][0], float(raw["value"]), float(raw["spread"])

    def _said(self, estimate: Estimate, group: str) -> list[Finding]:
        frame, value, spread = estimate
        s = self._settings
        least, most = s.plausible
        if not least <= value <= most:
            reason = f"the estimate {_words(value, s.unit)} is not within {_words(least, s.unit)} to"
            return [self._no_finding(group, frame, f"{reason} {_words(most, s.unit)}")]
        if not spread <= s.most_spread:  # no number is not below it either
            reason = f"the estimate is too unsure (standard deviation {_words(spread, s.unit)} >"
            return [self._no_finding(group, frame, f"{reason} {_words(s.most_spread, s.unit)})")]
        sure = erf(s.tolerance / (max(spread, 1e-12) * sqrt(2)))
        code = None if s.code is None else s.code.to_code()
        site = None if s.site is None else s.site.to_code()
        half = SPREADS * spread
        interval = f"95 % interval {_number(value - half, s.unit)} to {_words(value + half, s.unit)}"
        return [
            Quantity(
                name=s.name, group=group, frame=frame, code=code, site=site, confidence=sure, value=value, unit=s.unit
            ),
            Quantity(
                name=f"{s.name}, half of its 95 % interval",
                group=group,
                frame=frame,
                code=UNCERTAINTY,
                site=site,
                value=half,
                unit=s.unit,
            ),
            Narrative(
                name=s.name,
                group=group,
                frame=frame,
                code=code,
                site=site,
                text=f"{s.name} {_words(value, s.unit)} ({interval})",
            ),
        ]

    def _no_finding(self, group: str, frame: int, reason: str) -> NoFinding:
        s = self._settings
        code = None if s.code is None else s.code.to_code()
        site = None if s.site is None else s.site.to_code()
        return NoFinding(name=s.name, group=group, frame=frame, code=code, site=site, reason=reason)


def _number(value: float, unit: str) -> str:
    return f"{value:.1f}" if unit == "%" else f"{value:.4g}"


def _words(value: float, unit: str) -> str:
    return _number(value, unit) if unit == "1" else f"{_number(value, unit)} {unit}"
