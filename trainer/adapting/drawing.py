"""A picture with what is true and what was said drawn into it, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.findings import Box, Category, Landmarks, Mask, NoFinding, Quantity
from trainer.adapting.case import Case
from trainer.tasks.truths import Boxes, LabelMap, Number, Outlined, Points

TRUTH, SAID = (80, 220, 80), (255, 170, 40)  # RGB: green is true, orange was said
EDGE = 288  # px, longest of a drawn picture
WORDS = 400  # most letters of a caption


def drawn(case: Case) -> NDArray[np.uint8]:
    """The picture in RGB, or those that belong together side by side: (H, W, 3), its longer edge `EDGE`."""
    picture = _side_by_side(case.asked.example.pictures)
    scale = EDGE / max(picture.shape)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    out = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    _draw_truth(out, case, scale)
    _draw_said(out, case, scale)
    return out


def caption(case: Case) -> str:
    """The name of the picture, its scores, and what was answered or withheld, in words."""
    truth = case.asked.example.truth
    parts = [case.asked.example.name, *([f"true {truth.value:.3g}"] if isinstance(truth, Number) else [])]
    parts += [f"{name} {value:.3g} {unit}".strip() for (name, unit), value in case.scores.items() if name != "answered"]
    for finding in case.asked.findings:
        if isinstance(finding, Category):
            parts.append(f"{finding.name}: {finding.value.meaning} ({finding.probability or 0:.2f})")
        elif isinstance(finding, NoFinding):
            parts.append(f"silent: {finding.reason}")
        elif isinstance(finding, Quantity) and finding.unit == "%":
            parts.append(f"{finding.name} {finding.value:.0f} %")
    return " · ".join(parts)[:WORDS]


def _side_by_side(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height = max(picture.shape[0] for picture in pictures)
    return np.hstack([np.pad(picture, ((0, height - picture.shape[0]), (0, 0))) for picture in pictures])


def _draw_truth(out: NDArray[np.uint8], case: Case, scale: float) -> None:
    truth = case.asked.example.truth
    if isinstance(truth, LabelMap):
        for number in np.unique(truth.classes):
            if number not in (0, 255):
                _outline(out, truth.classes == number, TRUTH)
    elif isinstance(truth, Outlined):
        _outline(out, truth.mask > 127, TRUTH)
    elif isinstance(truth, Points):
        for point in truth.points[np.isfinite(truth.points).all(axis=1)]:
            _cross(out, point * scale, TRUTH)
    elif isinstance(truth, Boxes):
        for box in truth.boxes:
            _box(out, box * scale, TRUTH)


def _draw_said(out: NDArray[np.uint8], case: Case, scale: float) -> None:
    for finding in case.asked.findings:
        if isinstance(finding, Mask):
            _outline(out, finding.to_array(), SAID)
        elif isinstance(finding, Landmarks):
            for point in finding.points:
                _cross(out, np.array(point) * scale, SAID)
        elif isinstance(finding, Box):
            _box(out, np.array([finding.left, finding.top, finding.right, finding.bottom]) * scale, SAID)


def _outline(out: NDArray[np.uint8], mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    there = cv2.resize(mask.astype(np.uint8), (out.shape[1], out.shape[0]), interpolation=cv2.INTER_NEAREST)
    edges, _ = cv2.findContours(there, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, edges, -1, colour, 1)


def _cross(out: NDArray[np.uint8], at: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    cv2.drawMarker(out, (round(float(at[0])), round(float(at[1]))), colour, cv2.MARKER_CROSS, 11, 1)


def _box(out: NDArray[np.uint8], box: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    left, top, right, bottom = (round(float(edge)) for edge in box)
    cv2.rectangle(out, (left, top), (right, bottom), colour, 1)
