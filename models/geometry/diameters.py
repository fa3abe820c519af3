"""The longest diameter of an outline and the longest chord at a right angle to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 400  # places along the longest diameter where a perpendicular chord is tried


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diameters:
    """Ends of both, (2, 2) each: x, y in the space of the outline."""

    longest: NDArray[np.float64]
    perpendicular: NDArray[np.float64]


def diameters(outline: NDArray[np.float64]) -> Diameters | None:
    """Measure a closed polygon.

    Parameters
    ----------
    outline
        (n, 2), in order, in a space with square pixels.

    Returns
    -------
    Diameters or None
        None where the polygon has no extent.
    """
    if len(outline) < 3:
        return None
    apart = np.hypot(*(outline[:, None, :] - outline[None, :, :]).transpose(2, 0, 1))
    first, second = np.unravel_index(int(np.argmax(apart)), apart.shape)
    start, end = outline[first], outline[second]
    length = float(apart[first, second])
    if length <= 0:
        return None
    axis = (end - start) / length
    normal = np.array([-axis[1], axis[0]])
    along, across = (outline - start) @ axis, (outline - start) @ normal
    best = (-1.0, 0.0, 0.0, 0.0)
    for place in np.linspace(0, length, STEPS + 2)[1:-1]:
        low, high = _chord(along, across, float(place))
        best = max(best, (high - low, float(place), low, high))
    _, place, low, high = best
    ends = np.stack([start + place * axis + low * normal, start + place * axis + high * normal])
    return Diameters(longest=np.stack([start, end]), perpendicular=ends)


def _chord(along: NDArray[np.float64], across: NDArray[np.float64], place: float) -> tuple[float, float]:
    following, beyond = np.roll(along, -1), np.roll(across, -1)
    cut = (along <= place) != (following <= place)
    share = (place - along[cut]) / (following[cut] - along[cut])
    heights = across[cut] + share * (beyond[cut] - across[cut])
    return (float(heights.min()), float(heights.max())) if heights.size else (0.0, 0.0)
