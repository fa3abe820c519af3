"""Healthy lung or pneumonia in a still of a point-of-care scan."""

from __future__ import annotations

from models.packages.settings_pictures import Choice, ClassificationSettings, Concept
from trainer.tasks.bars import Bar
from trainer.tasks.coded import IMPRESSION, LUNG, private
from trainer.tasks.spec import TaskSpec, Variation
from trainer.tasks.truths import Answer

ANSWERS = ("regular", "pneumonia", "covid")
NUMBER_OF_LABEL = {"regular": 0, "bacterial_pneumonia": 1, "viral_pneumonia": 1, "covid": 2}
WORDS = ("Regular lung", "Pneumonia, not COVID-19", "COVID-19 pneumonia")

SPEC = TaskSpec(
    name="lung",
    title="Lung: regular, pneumonia or COVID-19",
    intended_use="Sorts stills of lung scans into three groups. A demonstration on a very small sample.",
    words="B-mode still or cine of the lung, convex probe",
    not_for="other organs; any diagnosis",
    size=192,
    settings=ClassificationSettings(
        scope=0.5,
        question=Concept(name="impression", code=IMPRESSION, site=LUNG),
        answers=tuple(
            Choice(
                code=private(f"lung-{name}", words),
                probability=Concept(name=f"probability of {name}", code=private(f"lung-{name}-probability", words)),
            )
            for name, words in zip(ANSWERS, WORDS, strict=True)
        ),
    ),
    data=("lung_pocus",),
    headline=("accuracy", "AUC, mean of answers"),
    bars=(Bar(figure="AUC, mean of answers", least=0.75),),
    truth=lambda folder, name, row: Answer(number=NUMBER_OF_LABEL[row["label"]]),
    variation=Variation(turn_deg=10.0, drawn=0.4),
    limits=(
        "117 training pictures of many sources, 19 test pictures of 9 patients: the intervals are wide",
        "labels are of whole clips, not of the frame that is shown; sources and labels partly go together",
        "most items are for non-commercial use",
    ),
)
