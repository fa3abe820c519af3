"""Thickness and pennation of a muscle, by points on its aponeuroses and on a fascicle."""

from __future__ import annotations

from math import cos, radians, sin, tan
from pathlib import Path

import numpy as np

from models.packages.parts import CodeOnCard, Structure
from models.packages.settings_landmarks import LandmarksSettings, PointQuantity
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ANATOMY, LOWER_LIMB, SKELETAL_MUSCLE
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Points

LABELS = ("superficial left", "superficial right", "deep left", "fascicle left", "fascicle right")
HALF_FASCICLE = 0.15  # of the scan's width: to each side of the scan's middle


def architecture(folder: Path, name: str, row: Row) -> Points:
    """Points that give back the observers' means.

    The set has heights at the left border of the scan and angles, positive where a line rises to the right; it names no
    fascicle, so the line of the fascicle angle is drawn through the middle of the muscle.
    """
    left, right = float(row["left_border_x_px"]), float(row["width"]) - 1
    top, bottom = float(row["mean_superficial_apo_y_px"]), float(row["mean_deep_apo_y_px"])
    rise = tan(radians(float(row["mean_superficial_apo_angle_deg"])))
    angle = radians(float(row["mean_fascicle_angle_deg"]))
    middle_x = (left + right) / 2
    middle_y = (top - rise * (middle_x - left) + bottom) / 2
    across, up = (HALF_FASCICLE * (right - left) * part(angle) for part in (cos, sin))
    points = [
        (left, top),
        (right, top - rise * (right - left)),
        (left, bottom),
        (middle_x - across, middle_y + up),
        (middle_x + across, middle_y - up),
    ]
    return Points(points=np.array(points, dtype=np.float64))


SPEC = TaskSpec(
    name="muscle-architecture",
    title="Muscle thickness and pennation",
    intended_use="Marks superficial and deep aponeurosis and the direction of fascicles; thickness at the left border"
    " of the scan, angle between superficial aponeurosis and fascicles.",
    words="B-mode still or cine of a leg muscle along its fascicles, linear probe",
    not_for="cross-sections, other organs",
    size=192,
    settings=LandmarksSettings(
        scope=0.5,
        structure=Structure(name="muscle", category=ANATOMY, type=SKELETAL_MUSCLE, site=LOWER_LIMB),
        points=LABELS,
        quantities=(
            PointQuantity(
                name="muscle thickness",
                code=CodeOnCard(value="59089-3", scheme="LN", meaning="ROI Thickness by US"),
                measure="length",
                points=("superficial left", "deep left"),
            ),
            PointQuantity(
                name="pennation angle",
                measure="angle",
                points=("superficial left", "superficial right", "fascicle left", "fascicle right"),
            ),
        ),
        confidence=0.0,
    ),
    data=("timtrack_muscle",),
    kin=("usgra_seg",),
    headline=("muscle thickness, mean absolute error", "pennation angle, mean absolute error"),
    # what the observers of the data set differ by among each other
    bars=(
        Bar(figure="muscle thickness, mean absolute error", most=5.8),
        Bar(figure="pennation angle, mean absolute error", most=1.8),
    ),
    truth=architecture,
    # mirrored, the left border would be the right one; turned far, a border's points leave the picture
    variation=Variation(turn_deg=4.0, mirrored=False, drawn=0.1),
    limits=(
        "nine healthy volunteers; only the vastus lateralis of two of them is in the test split",
        "the fascicle's points stand for an angle: no single fascicle was marked by the observers",
    ),
)
