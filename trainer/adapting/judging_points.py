"""How far points, and what is measured between them, are off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, Landmarks, Measure, NoFinding, Quantity
from models.geometry.extents import angle_deg, extent
from models.packages.settings_landmarks import LandmarksSettings, PointQuantity
from trainer.adapting.case import Asked, Case, Score, means
from trainer.evaluate import Result
from trainer.tasks.truths import Points


def landmarks_case(asked: Asked, settings: LandmarksSettings) -> Case:
    """Judge the points of one structure; of swappable ones the better way counts."""
    truth = asked.example.truth
    if not isinstance(truth, Points):
        raise TypeError(f"{asked.example.name} has no points")
    scale = asked.example.mm_per_pixel
    unit = "px" if scale is None else "mm"
    found = found_points(asked.findings, settings.points)
    off = np.linalg.norm(found - matched(found, truth.points, settings), axis=1) * (scale or 1.0)
    known = off[np.isfinite(off)]
    said = any(not isinstance(finding, NoFinding) for finding in asked.findings)
    scores: dict[Score, float] = {("answered", "%"): 100.0 * said}
    marked = np.isfinite(truth.points).all(axis=1)
    if marked.any():
        scores["points found", "%"] = 100.0 * float(np.isfinite(found[marked]).all(axis=1).mean())
    if len(known):
        scores["mean radial error", unit] = float(known.mean())
    for quantity in settings.quantities:
        scores |= _quantity(quantity, asked, truth, settings)
    diagonal = float(np.hypot(*asked.example.picture.shape)) * (scale or 1.0)
    return Case(asked=asked, goodness=1 - float(known.mean()) / diagonal if len(known) else 0.0, scores=scores)


def results(cases: Sequence[Case], settings: LandmarksSettings, data: str) -> list[Result]:
    """Means of all scores."""
    return means(cases, data)


def found_points(findings: Sequence[Finding], labels: Sequence[str]) -> NDArray[np.float64]:
    """Where points were found, (labels, 2); NaN where one was not."""
    at = np.full((len(labels), 2), np.nan)
    for finding in findings:
        if isinstance(finding, Landmarks):
            for label, point in zip(finding.labels, finding.points, strict=True):
                at[list(labels).index(label)] = point
    return at


def matched(found: NDArray[np.float64], truth: NDArray[np.float64], settings: LandmarksSettings) -> NDArray[np.float64]:
    """The true points (n, 2), those of each swappable pair in the order that is nearer to what was found."""
    out = truth.copy()
    for pair in settings.swappable:
        at = [settings.points.index(label) for label in pair]
        straight, crossed = (float(np.nansum(np.linalg.norm(found[at] - truth[way], axis=1))) for way in (at, at[::-1]))
        if crossed < straight:
            out[at] = truth[at[::-1]]
    return out


def _quantity(quantity: PointQuantity, asked: Asked, truth: Points, settings: LandmarksSettings) -> dict[Score, float]:
    said = [f for f in asked.findings if isinstance(f, Quantity) and f.name == quantity.name]
    right = _true_value(quantity, truth.points[[settings.points.index(label) for label in quantity.points]])
    if not said or right is None:
        return {}
    angle = quantity.measure == "angle"
    mm = None if angle else asked.example.mm_per_pixel
    power = 2 if quantity.measure == "area" else 1
    off = (said[0].value - right) * (1.0 if mm is None else mm**power)
    unit = "deg" if angle else ("px" if mm is None else "mm") + ("2" if power == 2 else "")
    return {(f"{quantity.name}, mean absolute error", unit): abs(off), (f"{quantity.name}, mean error", unit): off}


def _true_value(quantity: PointQuantity, points: NDArray[np.float64]) -> float | None:
    if not np.isfinite(points).all():
        return None
    return angle_deg(points) if quantity.measure == "angle" else extent(points, Measure(quantity.measure))
