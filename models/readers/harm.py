"""How far a changed picture is from the one it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.packages.settings_enhancement import HarmGates

DARK = 10.0  # gray level of a neighbourhood: below it nothing is to be seen
APPEARS = 6.0  # gray levels by which a dark neighbourhood must rise for something to be there
NEIGHBOURHOOD = 2.0  # px, standard deviation; wide enough that a grain of noise is not a structure
WINDOW = 1.5  # px, standard deviation of the window of structural similarity
STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)  # keeps flat parts from dividing by nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What a change did to a picture."""

    change: float  # root mean square, share of the gray range
    likeness: float  # mean structural similarity where the picture is not dark, at most 1
    invented: float  # share of the dark area where something appeared, 0 to 1


def harm(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Harm:
    """Compare gray pictures (H, W).

    References
    ----------
    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004.
    """
    old, new = before.astype(np.float32), after.astype(np.float32)
    change = float(np.sqrt(np.mean((new - old) ** 2))) / 255
    was, became = _blurred(old, NEIGHBOURHOOD), _blurred(new, NEIGHBOURHOOD)
    dark = was < DARK
    rose = dark & (became - was >= APPEARS)
    invented = float(rose.sum() / dark.sum()) if dark.any() else 0.0
    alike = similarity(old, new)
    told = ~dark | rose
    return Harm(change=change, likeness=float(alike[told].mean()) if told.any() else 1.0, invented=invented)


def refusal(done: Harm, gain: float, gates: HarmGates) -> str | None:
    """Why a changed picture must not be shown, in words with the numbers; None: it may."""
    if not gain >= gates.gain:  # no number is not enough either
        return f"little would be gained (expected gain {gain:.2f} < {gates.gain:.2f})"
    if done.invented > gates.invented:
        return f"something appears in {done.invented:.1%} of the dark area, above {gates.invented:.1%}"
    if done.change > gates.change:
        return f"the change is too strong (root mean square {done.change:.3f} > {gates.change:.3f})"
    if done.likeness < gates.likeness:
        return f"the structure changes (similarity {done.likeness:.2f} < {gates.likeness:.2f})"
    return None


def similarity(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
    """Structural similarity of two gray pictures (H, W), 0 to 255, at each pixel: at most 1."""
    mean_old, mean_new = _blurred(old, WINDOW), _blurred(new, WINDOW)
    spread_old = _blurred(old * old, WINDOW) - mean_old**2
    spread_new = _blurred(new * new, WINDOW) - mean_new**2
    shared = _blurred(old * new, WINDOW) - mean_old * mean_new
    light = (2 * mean_old * mean_new + STEADY[0]) / (mean_old**2 + mean_new**2 + STEADY[0])
    return np.asarray(light * (2 * shared + STEADY[1]) / (spread_old + spread_new + STEADY[1]), dtype=np.float32)


def _blurred(picture: NDArray[np.float32], spread: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), spread), dtype=np.float32)
