"""The volume of a left ventricle from one apical view, by the method of discs.

The cavity is thought of as a pile of discs of equal height across its long axis, each as wide as the outline is at the
middle of its height, and round. Volumes are in cubed pixels of the outline's space: no scale is needed where two
volumes of the same view are compared, as an ejection fraction does.

References
----------
Lang et al., "Recommendations for Cardiac Chamber Quantification by Echocardiography in Adults", J Am Soc Echocardiogr
28:1-39, 2015: single-plane method of discs, and that two planes are to be preferred. DICOM PS3.16 TID 5300 reports it
as (125208, DCM, "Method of Disks, Single Plane").
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.geometry.outline import LEVEL, polygon

DISCS = 20
END = 0.3  # share of the length in which an end's width is judged: the base is wide, the apex is not
MARGIN = 2  # px round a mask that is cut out, where its edge is interpolated
LEAST_PX2 = 1.0  # area below which an outline has no axis


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Discs:
    """A cavity as a pile of discs; in the space of its outline, with square pixels."""

    volume: float  # px^3
    length: float  # px, of the pile
    apex: NDArray[np.float64]  # (2,): the point of the outline farthest from the middle of the mitral plane
    mitral: NDArray[np.float64]  # (2, 2): the ends of the mitral plane
    diameters: NDArray[np.float64]  # (DISCS,), px, from apex to base
    outline: NDArray[np.float64]  # (n, 2), of which it was made

    # (2 * DISCS + 2, 2): the pile as a closed polygon, from the upper end of its axis down one side to the lower end
    # and up the other, as `models.findings.Quantity` wants the points of a volume
    sides: NDArray[np.float64]


def discs_of(likely: NDArray[np.float32]) -> Discs | None:
    """The discs of a map or mask (H, W): of its largest part at or above `LEVEL`; None where nothing is."""
    left, top, width, height = cv2.boundingRect((likely >= LEVEL).astype(np.uint8))
    if not width:
        return None
    x, y = max(0, left - MARGIN), max(0, top - MARGIN)  # outlines are followed on a finer grid: cut out, it is small
    part = np.ascontiguousarray(likely[y : top + height + MARGIN, x : left + width + MARGIN])
    return discs(polygon(part) + np.array([x, y], dtype=np.float64))


def discs(outline: NDArray[np.float64]) -> Discs | None:
    """Pile up discs along the long axis of a ventricle, however it lies in the picture.

    The principal axis of the area tells the two ends; the wider one is the base. The ends of the mitral plane are the
    corners of the base: the points farthest towards base and either side at once, with length and width counted alike.
    The long axis runs through the middle between them and the apex; discs reach as far along it as the outline does.

    Parameters
    ----------
    outline
        (n, 2), of the cavity, in order, x and y, as `models.geometry.polygon` gives it of a mask.

    Returns
    -------
    Discs or None
        None where the outline has no area.
    """
    if len(outline) < 3:
        return None
    first = _principal_axis(outline)
    if first is None:
        return None
    across = np.array([-first[1], first[0]])
    along, aside = outline @ first, outline @ across
    low, high = float(along.min()), float(along.max())
    ends = low + (high - low) * END * np.array([0.25, 0.5, 0.75])
    if _widths(along, aside, ends).sum() > _widths(along, aside, low + high - ends).sum():
        along = -along  # now the base has the greater numbers
    lengthwise, sideways = _centred(along), _centred(aside)
    corners = outline[[int(np.argmax(lengthwise + sideways)), int(np.argmax(lengthwise - sideways))]]
    base = corners.mean(axis=0)
    apex = outline[int(np.argmax(np.hypot(*(outline - base).T)))]
    return _piled(outline, apex, corners)


def ejection_fraction(diastolic: float, systolic: float) -> float:
    """The share of the greater volume that the heart throws out, per cent; both of one view, in the same unit."""
    return 100.0 * (1.0 - systolic / diastolic)


def _piled(outline: NDArray[np.float64], apex: NDArray[np.float64], corners: NDArray[np.float64]) -> Discs:
    axis = corners.mean(axis=0) - apex
    axis = axis / np.hypot(*axis)
    across = np.array([-axis[1], axis[0]])
    along, aside = outline @ axis, outline @ across
    low, length = float(along.min()), float(np.ptp(along))
    levels = low + length * (np.arange(DISCS) + 0.5) / DISCS
    wide, middles = _widths(along, aside, levels), _middles(along, aside, levels)
    ends = np.array([low, low + length])[:, None] * axis + float(apex @ across) * across
    left, right = (levels[:, None] * axis + (middles + side * wide / 2)[:, None] * across for side in (-1, 1))
    return Discs(
        volume=float(np.pi / 4 * length / DISCS * np.sum(wide**2)),
        length=length,
        apex=apex,
        mitral=corners,
        diameters=wide,
        outline=outline,
        sides=np.concatenate([ends[:1], left, ends[1:], right[::-1]]),
    )


def _principal_axis(outline: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The direction (2,) in which the area is longest."""
    moments = cv2.moments((outline - outline.mean(axis=0)).astype(np.float32))
    if moments["m00"] < LEAST_PX2:
        return None
    spread = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]])
    axis: NDArray[np.float64] = np.linalg.eigh(spread)[1][:, 1]
    return axis


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From -1 at the least to 1 at the greatest."""
    centred: NDArray[np.float64] = (2 * values - values.min() - values.max()) / np.ptp(values)
    return centred


def _widths(along: NDArray[np.float64], aside: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How wide the inside of a closed polygon is at each level, (levels,), gaps left out."""
    up, down, there = _crossings(along, aside, levels)
    widths: NDArray[np.float64] = np.abs((np.where(up, there, 0.0) - np.where(down, there, 0.0)).sum(axis=0))
    return widths


def _middles(
    along: NDArray[np.float64], aside: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Halfway between the outermost edges of a closed polygon at each level, (levels,)."""
    up, down, there = _crossings(along, aside, levels)
    crossed = up | down
    leftmost = np.where(crossed, there, np.inf).min(axis=0)
    rightmost = np.where(crossed, there, -np.inf).max(axis=0)
    middles: NDArray[np.float64] = (leftmost + rightmost) / 2
    return middles


def _crossings(
    along: NDArray[np.float64], aside: NDArray[np.float64], levels: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Which edges of a closed polygon cross each level upwards, which downwards, and where: each (edges, levels)."""
    following, beyond = np.roll(along, -1), np.roll(aside, -1)
    up = (along[:, None] <= levels) & (following[:, None] > levels)
    down = (along[:, None] > levels) & (following[:, None] <= levels)
    step = np.where(following == along, 1.0, following - along)
    there = aside[:, None] + (levels - along[:, None]) / step[:, None] * (beyond - aside)[:, None]
    return up, down, there
