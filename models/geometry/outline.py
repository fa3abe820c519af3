"""The part of a probability map that counts, and its edge between pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LEVEL = 0.5
FINER = 4  # outlines are followed on a grid that much finer
CLOSE_PX = 0.3  # how far, in pixels of the map, a simplified outline may lie from the true one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Component:
    """A connected part of a probability map at or above `LEVEL`."""

    likely: NDArray[np.float32]  # (S, S), the map with the other parts set to 0
    area: int  # px
    dominance: float  # share of all pixels at or above the level of the parts that were asked for, this one among them
    confidence: float  # mean probability inside


def largest_component(likely: NDArray[np.float32]) -> Component | None:
    """The largest part of a map (S, S) of probabilities, or None where nothing reaches the level."""
    return next(iter(largest_parts(likely, 1)), None)


def largest_parts(likely: NDArray[np.float32], most: int) -> tuple[Component, ...]:
    """The largest parts of a map (S, S) of probabilities, at most `most`, the largest first."""
    marked = (likely >= LEVEL).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    chosen = np.argsort(-areas, kind="stable")[:most]
    parts = []
    for number in chosen:
        inside = labels == number + 1
        other = (marked > 0) & ~inside
        near = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        parts.append(
            Component(
                likely=np.where(near & ~other, likely, 0).astype(np.float32),
                area=int(areas[number]),
                dominance=float(areas[chosen].sum() / areas.sum()),
                confidence=float(likely[inside].mean()),
            )
        )
    return tuple(parts)


def crossings(likely: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where a map crosses `LEVEL` between neighbouring pixels, by linear interpolation.

    The inner edges of holes do not count.

    Returns
    -------
    NDArray
        (n, 2): x, y in pixels of the map, in no order.
    """
    solid = _filled(likely)
    padded = np.pad(solid, 1)
    found = []
    for axis in (0, 1):
        first = padded[:-1, :] if axis == 0 else padded[:, :-1]
        second = padded[1:, :] if axis == 0 else padded[:, 1:]
        rows, columns = np.nonzero((first >= LEVEL) != (second >= LEVEL))
        before, after = first[rows, columns].astype(np.float64), second[rows, columns].astype(np.float64)
        share = (LEVEL - before) / (after - before)
        x = columns + (share if axis == 1 else 0.0) - 1
        y = rows + (share if axis == 0 else 0.0) - 1
        found.append(np.stack([x, y], axis=1))
    points: NDArray[np.float64] = np.concatenate(found)
    return points


def polygon(likely: NDArray[np.float32]) -> NDArray[np.float64]:
    """The outer edge of the largest part, in order: (n, 2), x and y in pixels of the map."""
    solid = _filled(likely)
    size = (solid.shape[1] * FINER, solid.shape[0] * FINER)
    fine = (cv2.resize(solid, size, interpolation=cv2.INTER_LINEAR) >= LEVEL).astype(np.uint8)
    if not fine.any():  # a pixel or two just at the level: between the centres of pixels nothing reaches it
        marked = (solid >= LEVEL).astype(np.uint8)
        fine = np.asarray(cv2.resize(marked, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    doubled = cv2.resize(fine, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    edges, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    edge = max(edges, key=cv2.contourArea)
    simple = cv2.approxPolyDP(edge, CLOSE_PX * 2 * FINER, closed=True)[:, 0, :].astype(np.float64)
    return (simple + 0.5) / (2 * FINER) - 0.5


def _filled(likely: NDArray[np.float32]) -> NDArray[np.float32]:
    marked = (likely >= LEVEL).astype(np.uint8)
    edges, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    solid = np.zeros_like(marked)
    cv2.drawContours(solid, edges, -1, 1, cv2.FILLED)
    holes = (solid > 0) & (marked == 0)
    return np.where(holes, np.float32(1.0), likely)
