"""End points of biparietal and occipitofrontal diameter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.packages.parts import CodeOnCard, Structure
from models.packages.settings_landmarks import LandmarksSettings, PointQuantity
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ANATOMY, HEAD
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Points

LABELS = ("BPD 1", "BPD 2", "OFD 1", "OFD 2")
COLUMNS = ("bpd_1", "bpd_2", "ofd_1", "ofd_2")


def ends(folder: Path, name: str, row: Row) -> Points:
    """The four points of a row."""
    at = [(float(row[f"{column}_x"]), float(row[f"{column}_y"])) for column in COLUMNS]
    return Points(points=np.array(at, dtype=np.float64))


SPEC = TaskSpec(
    name="fetal-landmarks",
    title="Fetal biparietal and occipitofrontal diameter",
    intended_use="Marks the end points of biparietal and occipitofrontal diameter and measures between them.",
    words="B-mode still or cine of the fetal head in the transthalamic or transventricular plane",
    not_for="other planes, other organs; two heads in one view",
    size=192,
    settings=LandmarksSettings(
        scope=0.5,
        structure=Structure(name="fetal head", category=ANATOMY, type=HEAD, site=HEAD),
        points=LABELS,
        swappable=(("BPD 1", "BPD 2"), ("OFD 1", "OFD 2")),
        quantities=(
            PointQuantity(
                name="biparietal diameter",
                code=CodeOnCard(value="11820-8", scheme="LN", meaning="Biparietal Diameter"),
                measure="length",
                points=LABELS[:2],
            ),
            PointQuantity(
                name="occipitofrontal diameter",
                code=CodeOnCard(value="11851-3", scheme="LN", meaning="Occipital-Frontal Diameter"),
                measure="length",
                points=LABELS[2:],
            ),
        ),
        confidence=0.0,
    ),
    data=("hc18_landmarks",),
    kin=("hc18",),
    headline=("biparietal diameter, mean absolute error", "mean radial error"),
    bars=(Bar(figure="biparietal diameter, mean absolute error", most=2.5),),
    truth=ends,
    variation=Variation(turn_deg=30.0, drawn=0.2),
    limits=(
        "one Dutch hospital, mostly normal heads",
        "the landmark file is for non-commercial use",
    ),
)
