"""Thyroid nodules, outlined, and whether TI-RADS calls them suspicious."""

from __future__ import annotations

from pathlib import Path

from models.packages.parts import Structure
from models.packages.settings import Gates, OutlineSettings, Question
from trainer.data.cohort import read_gray
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ABNORMAL, IMPRESSION, NODULE, THYROID, private
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Outlined


def outlined(folder: Path, name: str, row: Row) -> Outlined:
    """All nodules of a picture in one mask, and 1 where TI-RADS is 4a or more.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    verdict = row["malignancy_from_tirads"]
    yes = float(verdict == "suspicious") if verdict else float("nan")
    return Outlined(mask=read_gray(folder / row["mask"]), yes=yes)


SPEC = TaskSpec(
    name="thyroid-nodule",
    title="Thyroid nodule outline and suspicion",
    intended_use="Outlines of up to three nodules of a thyroid view; of each longest and perpendicular diameter, area;"
    " probability that readers would give the view TI-RADS 4a to 5. No advice on management.",
    words="B-mode still or cine of the thyroid, linear probe, a nodule in view",
    not_for="other organs, elastography, Doppler; pictures without a nodule were not in the training data",
    size=192,
    settings=OutlineSettings(
        scope=0.5,
        structure=Structure(name="thyroid nodule", category=ABNORMAL, type=NODULE, site=THYROID),
        measures="diameters",
        most=3,
        question=Question(
            name="impression",
            code=IMPRESSION,
            yes=private("tirads-suspicious", "Suspicious by TI-RADS (4a to 5)"),
            no=private("tirads-benign", "Benign by TI-RADS (2 or 3)"),
            probability_name="probability of suspicion",
            probability_code=private("tirads-probability", "Probability of TI-RADS 4a to 5"),
            temperature=1.0,
            shift=0.0,
            threshold=0.5,
            threshold_from="not chosen yet",
        ),
        gates=Gates(confidence=0.0, area=(0.0, 1.0), dominance=0.0, ellipse=0.0),
    ),
    data=("thyroid",),
    kin=("carotid_cca", "usgra_seg"),
    headline=("thyroid nodule Dice, silence counted as 0", "AUC of probability of suspicion"),
    bars=(
        Bar(figure="thyroid nodule Dice, silence counted as 0", least=0.65),
        Bar(figure="AUC of probability of suspicion", least=0.75),
    ),
    truth=outlined,
    variation=Variation(turn_deg=12.0, drawn=0.5),
    limits=(
        "one site; suspicion is derived from readers' TI-RADS (2 and 3 benign, 4a to 5 suspicious), not from histology",
        "the probability is that of the view, not of each of several nodules; it is told with the largest one",
        "the licence of the data set is not stated",
    ),
)
