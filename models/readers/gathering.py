"""What many frames say of one question, put together: log-odds averaged, weighted by how fit each picture is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.findings import NoFinding
from models.packages.parts import KindSettings
from models.packages.settings_pictures import Concept
from models.readers.reader import Raw, Seen
from models.readers.scoping import out_of_scope, scope_of
from models.readers.telling import silent

View = tuple[int, int, int, int]
LEAST_WEIGHT = 1e-3  # of a picture that is in scope: the worst still counts where there is no better


@dataclass(slots=True, kw_only=True, eq=False)
class Evidence:
    """What all frames of one view say; at least one frame."""

    number: int  # of the view, from 1
    frames: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    said: list[NDArray[np.float32]] = field(default_factory=list)  # a row (K,) a frame

    @property
    def rows(self) -> NDArray[np.float64]:
        """(frames, K)."""
        return np.stack(self.said).astype(np.float64)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Weighted mean of all frames, (K,)."""
        mean: NDArray[np.float64] = np.average(self.rows, axis=0, weights=self.weights)
        return mean

    def frame_that_says(self, support: NDArray[np.float64]) -> int:
        """The frame to show for an answer: with the greatest support (frames,) for it, the fittest at the same."""
        best = max(range(len(self.frames)), key=lambda i: (support[i], self.weights[i], -i))
        return self.frames[best]


class Gathering:
    """The evidence of one job, by view.

    Parameters
    ----------
    settings
        Of the task.
    question
        What is asked.
    """

    def __init__(self, settings: KindSettings, question: Concept) -> None:
        self._settings, self._question = settings, question
        self._views: dict[View, Evidence] = {}
        self._silent: tuple[float, int, str] | None = None  # scope, frame and reason of the picture nearest to scope

    def add(self, seen: Seen, row: NDArray[np.float32]) -> None:
        """Take note of what one view of one frame says, (K,); out of scope, it does not count."""
        scope = scope_of(seen.raw)
        reason = out_of_scope(seen, self._settings, "this task")
        if reason is not None:
            if self._silent is None or scope > self._silent[0]:
                self._silent = (scope, seen.frame, reason)
            return
        view = seen.place.view
        evidence = self._views.setdefault(view, Evidence(number=len(self._views) + 1))
        evidence.frames.append(seen.frame)
        evidence.weights.append(max(LEAST_WEIGHT, scope * _quality_of(seen.raw)))
        evidence.said.append(row)

    @property
    def evidence(self) -> list[Evidence]:
        """Of each view that was in scope."""
        return list(self._views.values())

    def out_of_scope(self) -> NoFinding:
        """That no picture was in scope, and why."""
        scope, frame, reason = self._silent if self._silent is not None else (0.0, 1, "no picture was looked at")
        return silent(self._question, self._question.name, frame, scope, reason)


def _quality_of(raw: Raw) -> float:
    return float(raw["quality"]) if "quality" in raw else 1.0
