"""The fetal skull, outlined."""

from __future__ import annotations

from pathlib import Path

from integration.phantom import fetal_head
from models.packages.parts import Structure
from models.packages.settings import Gates, OutlineSettings
from trainer.data.cohort import read_gray
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ANATOMY, HEAD
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Outlined

LENGTHS = {  # by the name that the ellipse of an outline gives them; the columns of hc18's index
    "head circumference": "hc_mm",
    "biparietal diameter": "ellipse_short_axis_mm",
    "occipitofrontal diameter": "ellipse_long_axis_mm",
}
LINE = 0.3  # px of a square of 192: hc18's masks hold half the line whose middle its lengths are taken from


def skull(folder: Path, name: str, row: Row) -> Outlined:
    """The filled outline of a row, and the lengths that it tells.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    lengths = {length: float(row[column]) for length, column in LENGTHS.items() if row.get(column)}
    return Outlined(mask=read_gray(folder / row["mask"]), lengths_mm=lengths)


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
        inset=LINE,
        gates=Gates(confidence=0.0, area=(0.0, 1.0), dominance=0.0, ellipse=0.0),
    ),
    data=("hc18",),
    kin=("hc18_landmarks",),
    phantoms=fetal_head,
    headline=("fetal head Dice, silence counted as 0", "head circumference, mean absolute error"),
    bars=(
        Bar(figure="fetal head Dice, silence counted as 0", least=0.9),
        Bar(figure="biparietal diameter, mean absolute error", most=2.5),
    ),
    truth=skull,
    variation=Variation(turn_deg=30.0, drawn=0.2),
    limits=(
        "one country or a few sites, few devices; no figures by device, age or body habitus",
        "measurements are made on the surest frame of a view; the other frames of a cine get masks only",
        "HC18 is of one Dutch hospital, mostly of normal heads; small or misshapen heads were hardly seen",
        "biparietal and occipitofrontal diameter are the axes of the fitted ellipse, not a reader's calipers",
        "the measured ellipse lies 0.3 px of the square inside the mask, as in HC18 the lengths lie inside its masks",
    ),
    baseline="a plain U-Net of 0.5 M parameters at 192 px, 25 epochs, 18 minutes on two cores: Dice 0.9745, HC mean"
    " absolute error 2.05 mm on the same test pictures",
)
