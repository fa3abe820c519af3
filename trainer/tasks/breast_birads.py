"""BI-RADS category of a breast lesion, as readers gave it."""

from __future__ import annotations

from pathlib import Path

from models.packages.settings_pictures import Answer as Grade
from models.packages.settings_pictures import Concept, OrdinalSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ASSESSMENT, BREAST, private, sct
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Answer

# SNOMED CT has the categories under the name of mammography alone; their numbers and words are those of all BI-RADS.
CATEGORIES = {
    "2": sct("397141009", "BI-RADS category 2 - Benign finding"),
    "3": sct("397143007", "BI-RADS category 3 - Probably benign finding"),
    "4": sct("397144001", "BI-RADS category 4 - Suspicious abnormality"),
    "5": sct("397145000", "BI-RADS category 5 - Highly suggestive of malignancy"),
}


def category(folder: Path, name: str, row: Row) -> Answer | None:
    """The reader's category; None where the index has none of these."""
    number = row["birads"]
    return Answer(number=list(CATEGORIES).index(number)) if number in CATEGORIES else None


SPEC = TaskSpec(
    name="breast-birads",
    title="BI-RADS category of a breast lesion",
    intended_use="The BI-RADS category, 2 to 5, that readers would give to the lesion in view."
    " No advice on management.",
    words="B-mode still or cine of the breast, linear probe, a lesion in view",
    not_for="other organs, elastography, Doppler; pictures without a lesion were not in the training data",
    size=192,
    settings=OrdinalSettings(
        scope=0.5,
        question=Concept(name="BI-RADS category", code=ASSESSMENT, site=BREAST),
        grades=tuple(
            Grade(
                code=code,
                probability=Concept(
                    name=f"probability of BI-RADS {number}",
                    code=private(f"birads-{number}-probability", f"Probability of BI-RADS {number}"),
                ),
            )
            for number, code in CATEGORIES.items()
        ),
        decision="expected",  # a category in the middle is never far off; the likeliest may be at the wrong end
    ),
    data=("bus_bra",),
    kin=("busi",),
    headline=("within one grade, of those answered", "accuracy", "quadratic-weighted kappa"),
    bars=(Bar(figure="quadratic-weighted kappa", least=0.4),),
    truth=category,
    variation=Variation(turn_deg=15.0, drawn=0.5),
    limits=(
        "one hospital; the category is that of a reader who saw the whole examination, not of this picture alone",
        "categories 0, 1, 6 and the parts of 4 (4A to 4C) are never said",
        "the codes of the categories are those that SNOMED CT names after mammography",
    ),
)
