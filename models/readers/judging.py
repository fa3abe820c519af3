"""One look of a network at one view, and whether it is fit to be said."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.frames import Place
from models.geometry import Component, Ellipse, crossings, fit_ellipse, inside, largest_parts, overlap
from models.geometry.outline import LEVEL
from models.packages.settings import OutlineSettings
from models.readers.areas import share_of_view

CRUMB = 0.1  # of the largest part: less beside it is no structure of its own


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What was seen in one view of one frame."""

    frame: int
    place: Place
    scope: float  # score, 0 to 1
    parts: tuple[Component, ...]  # what was outlined, the largest first
    ellipse: Ellipse | None  # in the square
    ellipse_overlap: float  # of the ellipse and the component; 1 where the task fits none
    silence: str | None  # why nothing may be said, in words with the numbers; None: it may

    @property
    def component(self) -> Component | None:
        """The largest of what was outlined."""
        return self.parts[0] if self.parts else None

    @property
    def confidence(self) -> float:
        """The task's own belief in the outline, 0 to 1."""
        sure = self.component.confidence if self.component is not None else 0.0
        return self.scope * sure * self.ellipse_overlap

    @property
    def area_share(self) -> float:
        """The share of the view in what was outlined, 0 to 1."""
        return float(sum(share_of_view(part.likely >= LEVEL, self.place) for part in self.parts))


def read(
    likely: NDArray[np.float32],
    scope: float,
    frame: int,
    place: Place,
    settings: OutlineSettings,
    barred: str | None = None,
) -> Reading:
    """Judge a probability map (S, S) by the gates of a task; `barred` is why the picture itself is none for it."""
    parts = _told(largest_parts(likely, settings.most), settings)
    component = parts[0] if parts else None
    ellipse, fits = None, 1.0
    if component is not None and settings.measures == "ellipse":
        ellipse = fit_ellipse(crossings(component.likely))
        fits = overlap(ellipse, component.likely >= 0.5) if ellipse is not None else 0.0
    reading = Reading(
        frame=frame,
        place=place,
        scope=scope,
        parts=parts,
        ellipse=ellipse,
        ellipse_overlap=fits,
        silence=None,
    )
    return replace(reading, silence=barred or _silence(reading, settings))


def apart(reading: Reading) -> tuple[Reading, ...]:
    """A reading for each of the structures that were outlined in one view."""
    return tuple(replace(reading, parts=(part,)) for part in reading.parts)


def mask_in_frame(reading: Reading) -> NDArray[np.bool_]:
    """The inside of all that was outlined, in pixels of the whole source frame, (rows, columns).

    Of a task that fits an ellipse it is the ellipse's inside, so that mask and measurements agree.
    """
    place = reading.place
    left, top, right, bottom = place.view
    whole = np.zeros((place.rows, place.columns), bool)
    if reading.component is None:
        return whole
    size = (right - left + 1, bottom - top + 1)
    matrix = place.box.matrix()
    if reading.ellipse is not None:
        whole[top : bottom + 1, left : right + 1] = _filled(reading.ellipse, matrix, size)
        return whole
    shown = whole[top : bottom + 1, left : right + 1]
    for part in reading.parts:
        shown |= cv2.warpAffine(part.likely, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) >= LEVEL
    return whole


def _told(parts: tuple[Component, ...], settings: OutlineSettings) -> tuple[Component, ...]:
    """The largest part, and of the others those that are no crumbs beside it and as sure as an outline has to be."""
    others = [p for p in parts[1:] if p.area >= CRUMB * parts[0].area and p.confidence >= settings.gates.confidence]
    return (*parts[:1], *others)


def _filled(ellipse: Ellipse, matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    x, y = np.meshgrid(
        matrix[0, 0] * np.arange(size[0]) + matrix[0, 2], matrix[1, 1] * np.arange(size[1]) + matrix[1, 2]
    )
    return inside(ellipse, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(size[1], size[0])


def _silence(reading: Reading, settings: OutlineSettings) -> str | None:
    component, gates, name = reading.component, settings.gates, settings.structure.name
    if component is None:
        return f"no {name} outline was found (scope score {reading.scope:.2f})"
    share = reading.area_share
    if not gates.area[0] <= share <= gates.area[1]:
        return f"the outline takes {share:.1%} of the picture, outside {gates.area[0]:.1%} to {gates.area[1]:.1%}"
    if component.dominance < gates.dominance:
        return f"the {name} outline is in pieces (largest {component.dominance:.2f} < {gates.dominance:.2f} of all)"
    if component.confidence < gates.confidence:
        return f"the {name} outline is unsure (mean probability {component.confidence:.2f} < {gates.confidence:.2f})"
    if reading.ellipse_overlap < gates.ellipse:
        return f"the {name} outline is no ellipse (overlap {reading.ellipse_overlap:.2f} < {gates.ellipse:.2f})"
    return None
