"""The fetal skull, outlined."""

from __future__ import annotations

from pathlib import Path

from models.packages.parts import Structure
from models.packages.settings import Gates, OutlineSettings
from trainer.data.cohort import read_gray
from trainer.tasks.coded import ANATOMY, HEAD
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Outlined


def skull(folder: Path, name: str, row: Row) -> Outlined:
    """The filled outline of a row.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    return Outlined(mask=read_gray(folder / row["mask"]))


SPEC = TaskSpec(
    name="fetal-head",
    title="Fetal head biometry",
    intended_use="Outline of the fetal skull in a standard transverse plane; head circumference through the outer edge"
    " of the skull, biparietal (outer to outer) and occipitofrontal diameter.",
    words="B-mode still or cine of the fetal head in the transthalamic or transventricular plane",
    not_for="other planes, other organs, 3-D or Doppler pictures; two heads in one view",
    size=192,
    settings=OutlineSettings(
        scope=0.5,
        structure=Structure(name="fetal head", category=ANATOMY, type=HEAD, site=HEAD),
        measures="ellipse",
        gates=Gates(confidence=0.5, area=(0.01, 0.9), dominance=0.5, ellipse=0.5),
    ),
    data=("hc18",),
    kin=("hc18_landmarks",),
    headline=("Dice, mean", "head circumference, mean absolute error"),
    truth=skull,
    variation=Variation(turn_deg=30.0, drawn=0.2),
    limits=(
        "one country or a few sites, few devices; no figures by device, age or body habitus",
        "measurements are made on the surest frame of a view; the other frames of a cine get masks only",
        "HC18 is of one Dutch hospital, mostly of normal heads; small or misshapen heads were hardly seen",
        "biparietal and occipitofrontal diameter are the axes of the fitted ellipse, not a reader's calipers",
    ),
)
