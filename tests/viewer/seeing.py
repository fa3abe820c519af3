"""Whether what the viewer shows is what was found: in the viewer's data, and on the screen.

Each check raises AssertionError where a thing is missing, on another frame, or more than a pixel away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.results.colours import rgb_of
from models.findings import Measure
from tests.peers.ohif import Exam, Shown
from tests.viewer.cases import Case

Look: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.int16]]
"""RGB at points of a frame, (..., 2) x, y."""

WITHIN_PX = 1.0
COLOURFUL = 40  # between the strongest and the weakest channel; the sources are gray, also after JPEG
REACH_PX = 4.0  # how far beside its place a line is searched
LEAST_OF_LINE = 0.3  # the viewer dashes lines


def segmentation_in_data(exam: Exam, case: Case) -> None:
    """Each segment has its label and exactly its pixels, on its frames and no others."""
    held = exam.segments(case.series("SEG"))
    wanted: dict[int, dict[str, NDArray[np.bool_]]] = {}
    for mask in case.masks:
        wanted.setdefault(mask.frame, {})[mask.group] = mask.to_array()
    assert {frame: set(masks) for frame, masks in held.items()} == {frame: set(m) for frame, m in wanted.items()}
    for frame, masks in wanted.items():
        for label, mask in masks.items():
            assert np.array_equal(held[frame][label], mask), f"{label} on frame {frame}"


def segmentation_on_screen(shown: Shown, case: Case) -> None:
    """The colours of the segments cover their pixels on this frame, to one at the edges."""
    covered = np.sum([_empty(case), *(mask.to_array() for mask in case.masks if mask.frame == shown.frame)], axis=0)
    coloured = _near(case, _colourful(shown.colours()))
    kernel = np.ones((3, 3), np.uint8)
    grown, shrunk = (change(covered.astype(np.uint8), kernel) > 0 for change in (cv2.dilate, cv2.erode))
    assert not (coloured & ~grown).any(), f"colour outside the segments of frame {shown.frame}"
    # Where two lie over each other, their colours may mix to gray.
    assert not (shrunk & (covered == 1) & ~coloured).any(), f"segments without colour on frame {shown.frame}"
    for number, label in enumerate(dict.fromkeys(mask.group for mask in case.masks)):
        _has_colour(shown, case, label, rgb_of(number))


def _has_colour(shown: Shown, case: Case, label: str, colour: tuple[int, int, int]) -> None:
    """Where only this segment is, the picture is tinted in its colour."""
    here = {mask.group: mask.to_array() for mask in case.masks if mask.frame == shown.frame}
    if label not in here:
        return
    alone = here[label] & ~np.any([mask for group, mask in here.items() if group != label] or [_empty(case)], axis=0)
    tint, wanted = (_tint(np.asarray(each, float)) for each in (shown.colours()[alone].mean(0), colour))
    assert tint @ wanted / (np.linalg.norm(tint) * np.linalg.norm(wanted)) > 0.95, f"{label} has another colour"


def measurements_in_data(exam: Exam, case: Case) -> None:
    """Each drawn quantity is a mark with its value and unit, at its points, on its frame and instance."""
    marks = exam.measurements(case.series("SR"))
    assert len(marks) == len(case.measured)
    printed = [label for mark in marks for label in mark["labels"]]
    assert set(case.values) <= set(printed), printed
    for quantity in case.measured:
        assert quantity.code is not None
        (mark,) = (m for m in marks if any(label.startswith(f"{quantity.code.meaning}: ") for label in m["labels"]))
        assert (mark["frame"], mark["sopInstanceUid"]) == (quantity.frame, case.source.header.SOPInstanceUID)
        drawn, wanted = np.array(mark["points"]), np.array(quantity.points)
        assert len(drawn) in (len(wanted), len(wanted) + 1)  # a closed line comes back to its beginning
        away = np.abs(np.vstack([drawn[: len(wanted)] - wanted, drawn[len(wanted) :] - wanted[0]])).max()
        assert away <= WITHIN_PX, f"{quantity.name} is {away:.1f} pixels away"


def measurements_on_screen(shown: Shown, case: Case) -> None:
    """Values stand beside lines, and the lines are in their places; nothing on another frame."""
    if shown.frame != case.frame:
        assert shown.labels == ()
        assert not _near(case, _colourful(shown.colours())).any()
        return
    assert set(case.values) <= set(shown.labels), shown.labels
    assert shown.sop_instance_uid == case.source.header.SOPInstanceUID
    lines_in_place(shown.colours_at, case)


def capture_in_data(exam: Exam, case: Case) -> None:
    """The picture that the viewer has decoded carries the lines in their places on their frame."""
    pixels = exam.pixels().astype(np.int16)

    def colours_at(points: NDArray[np.float64]) -> NDArray[np.int16]:
        x, y = np.moveaxis(np.round(points).astype(int), -1, 0)
        return pixels[y, x]

    _capture(colours_at, exam.frame(), case)


def capture_on_screen(shown: Shown, case: Case) -> None:
    """So does the screen."""
    _capture(shown.colours_at, shown.frame, case)


def _capture(colours_at: Look, frame: int, case: Case) -> None:
    source = case.source
    whole = np.stack(np.meshgrid(np.arange(source.columns), np.arange(source.rows)), -1).astype(float)
    coloured = _colourful(colours_at(whole))
    if frame not in case.frames:
        assert not _near(case, coloured).any(), f"marks on frame {frame}"
        return
    for mask in case.masks:
        if mask.frame == frame:
            around = cv2.morphologyEx(mask.to_array().view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
            assert coloured[around].mean() > LEAST_OF_LINE, f"{mask.group} is not outlined on frame {frame}"
    if frame == case.frame:
        lines_in_place(colours_at, case)


def lines_in_place(colours_at: Look, case: Case) -> None:
    """Each caliper is a coloured line within a pixel of its place."""
    calipers = [quantity for quantity in case.measured if quantity.measure is Measure.LENGTH]
    assert calipers
    for caliper in calipers:
        away = line_offset(colours_at, *caliper.points)
        assert abs(away) <= WITHIN_PX, f"{caliper.name} is {away:.1f} pixels away"


def line_offset(colours_at: Look, start: tuple[float, float], end: tuple[float, float]) -> float:
    """How far beside its place a coloured line runs, in pixels: the median over its length but for the ends."""
    first, last = np.array(start), np.array(end)
    along = (last - first) / np.hypot(*(last - first))
    beside = np.arange(-REACH_PX, REACH_PX + 0.01, 0.2)
    places = first + np.linspace(0.1, 0.9, 101)[:, None] * (last - first)
    coloured = _colourful(colours_at(places[:, None] + beside[:, None] * np.array([-along[1], along[0]])))
    met = coloured.any(axis=1)
    assert met.mean() > LEAST_OF_LINE, f"there is no line from {start} to {end}"
    return float(np.median([beside[row].mean() for row in coloured[met]]))


def _colourful(colours: NDArray[np.int16]) -> NDArray[np.bool_]:
    return np.asarray(np.ptp(colours, axis=-1) > COLOURFUL)


def _tint(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    return colour - colour.mean()


def _near(case: Case, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only what is near the findings: the viewer writes and draws its own things at the edges of the picture."""
    masks = np.any([mask.to_array() for mask in case.masks], axis=0)
    reach = np.ones((13, 13), np.uint8)
    return seen & (cv2.dilate(masks.view(np.uint8), reach) > 0)


def _empty(case: Case) -> NDArray[np.bool_]:
    return np.zeros((case.source.rows, case.source.columns), bool)
