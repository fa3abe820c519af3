"""Probability maps of several structures to what is marked of each, and whether it is fit to be said."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.frames import Place
from models.geometry.outline import LEVEL, largest_component
from models.packages.settings_pictures import MaskedStructure
from models.readers.areas import share_of_view, shares_of_view

CERTAIN_ENOUGH = 1e-6  # below it a ratio of probabilities would be noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marked:
    """One structure in one view of one frame."""

    frame: int
    place: Place
    likely: NDArray[np.float32]  # (S, S), at or above `LEVEL` where the structure is; other parts 0
    probability: NDArray[np.float32]  # (S, S), of the structure, as the head says it; other parts 0
    confidence: float  # mean probability inside, 0 to 1
    silence: str | None  # why it may not be said, in words with the numbers; None: it may


def against_others(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """How each structure stands against the likeliest other, or none: at or above 0.5 where it is the likeliest.

    Cut at 0.5, such maps leave no gap where three structures meet and none reaches half, and do not overlap.

    Parameters
    ----------
    probabilities
        (structures, S, S); what is missing to 1 is the background's.
    """
    background = np.clip(1 - probabilities.sum(0, keepdims=True), 0, 1)
    everything = np.concatenate([background, probabilities])
    second, first = np.partition(everything, -2, axis=0)[-2:]
    rival = np.where(probabilities >= first, second, first)
    return np.asarray(probabilities / np.maximum(probabilities + rival, CERTAIN_ENOUGH), dtype=np.float32)


def mark(
    likely: NDArray[np.float32],
    probability: NDArray[np.float32],
    asked: MaskedStructure,
    frame: int,
    place: Place,
) -> Marked | None:
    """What one structure's maps mark, judged by its gates; None where nothing is marked.

    Parameters
    ----------
    likely
        (S, S), at or above `LEVEL` where the structure is.
    probability
        (S, S), of the structure.
    """
    kept = _kept(likely, asked, place)
    inside = kept >= LEVEL
    if not inside.any():
        return None
    confidence, share, gates = float(probability[inside].mean()), share_of_view(inside, place), asked.gates
    silence, name = None, asked.structure.name
    if not gates.area[0] <= share <= gates.area[1]:
        silence = f"the {name} takes {share:.1%} of the picture, outside {gates.area[0]:.1%} to {gates.area[1]:.1%}"
    elif confidence < gates.confidence:
        silence = f"the {name} is unsure (mean probability {confidence:.2f} < {gates.confidence:.2f})"
    alone = np.where((likely >= LEVEL) & ~inside, np.float32(0), probability)
    return Marked(frame=frame, place=place, likely=kept, probability=alone, confidence=confidence, silence=silence)


def _kept(likely: NDArray[np.float32], asked: MaskedStructure, place: Place) -> NDArray[np.float32]:
    if asked.parts == "largest":
        component = largest_component(likely)
        if component is None or share_of_view(component.likely >= LEVEL, place) < asked.least_part:
            return np.zeros_like(likely)
        return component.likely
    marked = (likely >= LEVEL).astype(np.uint8)
    count, labels = cv2.connectedComponents(marked, connectivity=4)
    small = shares_of_view(np.asarray(labels, dtype=np.int32), count, place) < asked.least_part
    small[0] = False  # the background, which keeps the slopes of edges
    return np.where(small[labels], np.float32(0), likely)
