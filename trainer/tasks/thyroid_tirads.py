"""TI-RADS category of a thyroid nodule, as readers gave it."""

from __future__ import annotations

from pathlib import Path

from models.packages.settings_pictures import Answer as Grade
from models.packages.settings_pictures import Concept, OrdinalSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ASSESSMENT, THYROID, private
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Answer

CATEGORIES = ("2", "3", "4a", "4b", "4c", "5")  # 4a and above are suspicious in the index of the data set


def category(folder: Path, name: str, row: Row) -> Answer | None:
    """The reader's category; None where the index has none."""
    return Answer(number=CATEGORIES.index(row["tirads"])) if row["tirads"] in CATEGORIES else None


SPEC = TaskSpec(
    name="thyroid-tirads",
    title="TI-RADS category of a thyroid nodule",
    intended_use="The TI-RADS category, 2 to 5 with 4a, 4b and 4c, that readers would give to the nodule in view."
    " No advice on management.",
    words="B-mode still or cine of the thyroid, linear probe, a nodule in view",
    not_for="other organs, elastography, Doppler; pictures without a nodule were not in the training data",
    size=192,
    settings=OrdinalSettings(
        scope=0.5,
        question=Concept(name="TI-RADS category", code=ASSESSMENT, site=THYROID),
        grades=tuple(
            Grade(
                code=private(f"tirads-{number}", f"TI-RADS {number}"),
                probability=Concept(
                    name=f"probability of TI-RADS {number}",
                    code=private(f"tirads-{number}-probability", f"Probability of TI-RADS {number}"),
                ),
            )
            for number in CATEGORIES
        ),
        decision="expected",  # a category in the middle is never far off; the likeliest may be at the wrong end
    ),
    data=("thyroid",),
    kin=("carotid_cca", "usgra_seg"),
    headline=("AUC, TI-RADS 4a or above", "within one grade, of those answered", "quadratic-weighted kappa"),
    bars=(Bar(figure="quadratic-weighted kappa", least=0.4),),
    truth=category,
    variation=Variation(turn_deg=12.0, drawn=0.5),
    limits=(
        "one site; categories of readers, by the older scheme with 4a to 4c, not by ACR TI-RADS; no histology",
        "of several nodules in one view the category is that of the examination",
        "the licence of the data set is not stated",
    ),
)
