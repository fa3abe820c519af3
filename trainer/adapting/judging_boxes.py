"""How right boxes are: average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.findings import Box, NoFinding
from models.packages.settings_detection import DetectionSettings
from trainer.adapting.case import Asked, Case, means, result
from trainer.evaluate import Result
from trainer.tasks.truths import Boxes

OVERLAP = 0.5  # intersection over union from which a box is right


def detection_case(asked: Asked, settings: DetectionSettings) -> Case:
    """Judge the boxes of one picture; classes that are not labelled in it do not count."""
    truth = asked.example.truth
    if not isinstance(truth, Boxes):
        raise TypeError(f"{asked.example.name} has no boxes")
    rows: dict[str, tuple[float, ...]] = {}
    overlaps: list[float] = []
    for number, each in enumerate(settings.classes):
        if not truth.labelled[number]:
            continue
        name = each.structure.name
        found = [f for f in asked.findings if isinstance(f, Box) and f.name == name]
        right = truth.boxes[truth.classes == number]
        hits, shared = _hits(sorted(found, key=lambda box: -(box.confidence or 0.0)), right)
        overlaps += shared
        rows[name] = (float(len(right)), *(value for hit in hits for value in hit))
    said = not all(isinstance(finding, NoFinding) for finding in asked.findings)
    goodness = float(np.mean(overlaps)) if overlaps else 1.0
    scores = {("answered", "%"): 100.0 * said}
    if overlaps:
        scores["overlap of boxes, silence counted as 0", ""] = goodness
    return Case(asked=asked, goodness=goodness, scores=scores, rows=rows)


def results(cases: Sequence[Case], settings: DetectionSettings, data: str) -> list[Result]:
    """Average precision of each class that occurs, their mean, and means of all scores."""
    names = [each.structure.name for each in settings.classes]
    there = [name for name in names if any(case.rows.get(name, (0.0,))[0] for case in cases)]
    numbered: list[tuple[Case, tuple[float, ...]]] = [(case, (float(i),)) for i, case in enumerate(cases)]

    def precision(name: str, chosen: NDArray[np.float64]) -> float:
        return average_precision([cases[int(i)].rows[name] for i in chosen[:, 0] if name in cases[int(i)].rows])

    def overall(chosen: NDArray[np.float64]) -> float:
        each = [value for value in (precision(name, chosen) for name in there) if np.isfinite(value)]
        return float(np.mean(each)) if each else float("nan")

    out = [result((f"mAP at {OVERLAP}", ""), data, numbered, overall)] if there else []
    for name in there:
        mine = [(case, row) for case, row in numbered if name in case.rows]
        figure = lambda chosen, name=name: precision(name, chosen)  # noqa: E731 - bound to its name
        out.append(result((f"{name} AP at {OVERLAP}", ""), data, mine, figure))
    return [*out, *means(cases, data)]


def average_precision(rows: Sequence[tuple[float, ...]]) -> float:
    """Area under the curve of precision over recall, precision made to fall; NaN where nothing is to be found.

    Parameters
    ----------
    rows
        Of each picture: how many things there are, then score and 1 or 0 (right or not) of each box.

    References
    ----------
    Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 111 (2015).
    """
    total = sum(row[0] for row in rows)
    if not total:
        return float("nan")
    pairs = [(row[i], row[i + 1]) for row in rows for i in range(1, len(row), 2)]
    if not pairs:
        return 0.0
    scores, right = np.array(pairs).T
    right = right[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(precision * right) / total)


def overlap(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    out: NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return out


def _hits(found: Sequence[Box], truth: NDArray[np.float64]) -> tuple[list[tuple[float, float]], list[float]]:
    """Score and 1 or 0 of each box, the surest first; and the best overlap with each true box."""
    taken = np.zeros(len(truth), bool)
    best = np.zeros(len(truth))
    hits = []
    for box in found:
        shares = overlap(np.array([box.left, box.top, box.right, box.bottom]), truth)
        best = np.maximum(best, shares)
        free = np.where(taken, -1.0, shares)
        at = int(free.argmax()) if len(free) else -1
        hit = at >= 0 and free[at] >= OVERLAP
        if hit:
            taken[at] = True
        hits.append((box.confidence or 0.0, float(hit)))
    return hits, [float(value) for value in best]
