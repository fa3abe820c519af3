"""Breast lesions, outlined, and whether they are malignant."""

from __future__ import annotations

from pathlib import Path

from models.packages.parts import CodeOnCard, Structure
from models.packages.settings import Gates, OutlineSettings, Question
from trainer.data.cohort import read_gray
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ABNORMAL, BREAST, IMPRESSION, MASS, sct
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Outlined

NORMAL = ("label", "normal")  # column and value of pictures without a lesion


def lesion(folder: Path, name: str, row: Row) -> Outlined | None:
    """The lesion of a row, and 1 where pathology found cancer; None where there is no lesion.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    found = row.get("pathology") or row.get("label")
    if found == NORMAL[1]:
        return None
    yes = float(found == "malignant") if found else float("nan")
    return Outlined(mask=read_gray(folder / row["mask"]), yes=yes)


SPEC = TaskSpec(
    name="breast-lesion",
    title="Breast lesion outline and probability of cancer",
    intended_use="Outline of the most marked lesion of a breast view; longest and perpendicular diameter, area;"
    " calibrated probability of cancer. No advice on management.",
    words="B-mode still or cine of the breast, linear probe, a lesion in view",
    not_for="other organs, elastography, Doppler; pictures without a lesion were not in the training data",
    size=192,
    settings=OutlineSettings(
        scope=0.5,
        structure=Structure(name="breast lesion", category=ABNORMAL, type=MASS, site=BREAST),
        measures="diameters",
        question=Question(
            name="impression",
            code=IMPRESSION,
            yes=sct("21594007", "Malignant"),
            no=sct("30807003", "Benign"),
            probability_name="probability of cancer",
            probability_code=CodeOnCard(value="111047", scheme="DCM", meaning="Probability of cancer"),
            temperature=1.0,
            shift=0.0,
            threshold=0.5,
            threshold_from="not chosen yet",
        ),
        gates=Gates(confidence=0.0, area=(0.0, 1.0), dominance=0.0, ellipse=0.0),
    ),
    data=("bus_bra",),
    kin=("busi",),
    unseen=("busi",),
    normal=NORMAL,
    painted=True,  # sonographers put calipers at a lesion's edges
    headline=("breast lesion Dice, silence counted as 0", "AUC of probability of cancer"),
    bars=(
        Bar(figure="breast lesion Dice, silence counted as 0", least=0.65),
        Bar(figure="AUC of probability of cancer", least=0.8),
    ),
    truth=lesion,
    variation=Variation(turn_deg=15.0, drawn=0.5),
    limits=(
        "one country or a few sites, few devices; no figures by device, age or body habitus",
        "measurements are made on the surest frame of a view; the other frames of a cine get masks only",
        "BUS-BRA is of one Brazilian hospital; the probability holds for its share of cancers, about a third",
        "of several lesions in one view only the largest outline is given",
    ),
)
