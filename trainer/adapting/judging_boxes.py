"""How right boxes are: average precision."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.findings import Box, Finding, NoFinding
from models.packages.settings_detection import DetectionSettings
from models.readers.detection import DetectionReader
from models.readers.reader import Seen
from trainer.adapting.case import Asked, Case, Score, means, result_of_counts
from trainer.evaluate import Result
from trainer.tasks.truths import Boxes

OVERLAP = 0.5  # intersection over union from which a box is right
NO_SQUARE = np.zeros((1, 1), np.uint8)  # a reader of boxes does not look at it
STRICTER = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # of the mean over ten, as COCO has it


def detection_case(asked: Asked, settings: DetectionSettings) -> Case:
    """Judge the boxes of one picture; classes that are not labelled in it do not count."""
    truth = asked.example.truth
    if not isinstance(truth, Boxes):
        raise TypeError(f"{asked.example.name} has no boxes")
    rows: dict[str, tuple[float, ...]] = {}
    overlaps: list[float] = []
    false = 0
    ranked = every_box(asked, settings)
    for number, each in enumerate(settings.classes):
        if not truth.labelled[number]:
            continue
        name = each.structure.name
        right = truth.boxes[truth.classes == number]
        found, shares = _beside(asked.findings, name, right)
        overlaps += [float(share) for share in shares.max(axis=0, initial=0.0)]
        for least in STRICTER:
            rows[row_name(name, least)] = _row(found, shares, least)
        rows[ranked_name(name)] = _row(*_beside(ranked, name, right), OVERLAP)
        false += int(np.sum(~_hits(shares, OVERLAP)))
    said = not all(isinstance(finding, NoFinding) for finding in asked.findings)
    goodness = float(np.mean(overlaps)) if overlaps else 1.0
    scores: dict[Score, float] = {("answered", "%"): 100.0 * said}
    if overlaps:
        scores["overlap of boxes, silence counted as 0", ""] = goodness
    scores["false boxes per picture", ""] = float(false)
    return Case(asked=asked, goodness=goodness, scores=scores, rows=rows)


def every_box(asked: Asked, settings: DetectionSettings) -> tuple[Finding, ...]:
    """The boxes of a picture as they would be without thresholds and gates: what the field ranks for its mAP."""
    classes = tuple(each.model_copy(update={"threshold": 0.0}) for each in settings.classes)
    still = {"classes": classes, "scope": None, "unlike": None, "flow": 1.0, "frames": "surest"}
    reader = DetectionReader(settings.model_copy(update=still))
    reader.see(Seen(frame=1, square=NO_SQUARE, place=asked.place, raw=asked.raw))
    return reader.findings(())


def _beside(
    findings: Sequence[Finding], name: str, right: NDArray[np.float64]
) -> tuple[list[Box], NDArray[np.float64]]:
    """The boxes of a class, the surest first, and their overlaps (boxes, truths) with the right ones."""
    found = [f for f in findings if isinstance(f, Box) and f.name == name]
    found.sort(key=lambda box: -(box.confidence or 0.0))
    shares = np.array([overlap(np.array([b.left, b.top, b.right, b.bottom]), right) for b in found])
    return found, shares.reshape(len(found), len(right))


def _row(found: Sequence[Box], shares: NDArray[np.float64], least: float) -> tuple[float, ...]:
    """What `average_precision` takes of one picture."""
    pairs = zip(found, _hits(shares, least), strict=True)
    return (float(shares.shape[1]), *(value for box, hit in pairs for value in (box.confidence or 0.0, float(hit))))


def results(cases: Sequence[Case], settings: DetectionSettings, data: str) -> list[Result]:
    """Average precision of each class that occurs, their means, and means of all scores.

    `mAP at 0.5` is of what the node says: boxes below a threshold, and those of pictures out of scope, are not there.
    `every box ranked` is the field's figure, of all boxes in the order of their scores.

    References
    ----------
    Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, for the mean over ten overlaps.
    """
    names = [each.structure.name for each in settings.classes]
    there = [name for name in names if any(case.rows.get(name, (0.0,))[0] for case in cases)]
    if not there:
        return means(cases, data)

    def mean_of(kinds: Sequence[str], counts: NDArray[np.float64]) -> NDArray[np.float64]:
        each = [average_precision([case.rows.get(kind, (0.0,)) for case in cases], counts) for kind in kinds]
        return _mean_of_known(np.stack(each))

    means_of = {
        f"mAP at {OVERLAP}": there,
        f"mAP at {OVERLAP}, every box ranked": [ranked_name(name) for name in there],
        f"mAP at {STRICTER[0]} to {STRICTER[-1]}": [row_name(name, least) for least in STRICTER for name in there],
    }
    out = [result_of_counts((figure, ""), data, cases, partial(mean_of, kinds)) for figure, kinds in means_of.items()]
    for name in there:
        mine = [case for case in cases if name in case.rows]
        listed = [case.rows[name] for case in mine]
        figure = lambda counts, listed=listed: average_precision(listed, counts)  # noqa: E731 - bound to its rows
        out.append(result_of_counts((f"{name} AP at {OVERLAP}", ""), data, mine, figure))
    return [*out, *means(cases, data)]


def row_name(name: str, least: float) -> str:
    """Under what a case keeps the boxes of a class, right from a least overlap."""
    return name if least == OVERLAP else f"{name}, overlap {least}"


def ranked_name(name: str) -> str:
    """Under what a case keeps all boxes of a class, before thresholds and gates."""
    return f"{name}, every box"


def average_precision(
    rows: Sequence[tuple[float, ...]], counts: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Area under the curve of precision over recall, precision made to fall; NaN where nothing is to be found.

    Parameters
    ----------
    rows
        Of each picture: how many things there are, then score and 1 or 0 (right or not) of each box.
    counts
        How often each picture was drawn in each round, (rounds, pictures); None: each once, in one round.

    Returns
    -------
    NDArray
        (rounds,)

    References
    ----------
    Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 111 (2015).
    """
    drawn = np.ones((1, len(rows))) if counts is None else counts
    total = drawn @ np.array([row[0] for row in rows])
    boxes = [(row[i], row[i + 1], picture) for picture, row in enumerate(rows) for i in range(1, len(row), 2)]
    if not boxes:
        return np.where(total > 0, 0.0, np.nan)
    scores, right, pictures = np.array(boxes).T
    order = np.argsort(-scores, kind="stable")
    right, times = right[order], drawn[:, pictures[order].astype(int)]
    hits, said = np.cumsum(times * right, axis=1), np.cumsum(times, axis=1)
    precision = np.maximum.accumulate((hits / np.maximum(said, 1))[:, ::-1], axis=1)[:, ::-1]
    area: NDArray[np.float64] = np.sum(precision * times * right, axis=1)
    return _shares(area, total)


def overlap(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    out: NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return out


def _hits(shares: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """Which boxes are right, of their overlaps (boxes, truths), the surest first; each truth is found once."""
    taken = np.zeros(shares.shape[1], bool)
    hits = np.zeros(len(shares), bool)
    for number, mine in enumerate(shares):
        free = np.where(taken, -1.0, mine)
        at = int(free.argmax()) if len(free) else -1
        if at >= 0 and free[at] >= least:
            taken[at] = hits[number] = True
    return hits


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is a number; NaN where nothing is."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return _shares(total, count)


def _shares(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part over whole; NaN where the whole is nothing."""
    out: NDArray[np.float64] = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return out
