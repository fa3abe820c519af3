"""Organs of the upper abdomen."""

from __future__ import annotations

from pathlib import Path

from models.packages.settings_pictures import SegmentationSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import ABDOMEN, GALLBLADDER, KIDNEY, LIVER, VESSEL, masked
from trainer.tasks.labels import label_map
from trainer.tasks.spec import Row, TaskSpec
from trainer.tasks.truths import LabelMap

ORDER = (1, 3, 4, 6)  # values in the files: liver, gallbladder, kidney, vessels; no other organ is in the train split


def annotated(folder: Path, name: str, row: Row) -> LabelMap | None:
    """The organs of a picture that somebody annotated; pixels of other organs are not labelled.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    return label_map(folder, row, ORDER) if row["annotated"] == "1" else None


SPEC = TaskSpec(
    name="abdomen-organs",
    title="Organs of the upper abdomen",
    intended_use="Masks of liver, gallbladder, kidney and large vessels. A demonstration: far too few pictures.",
    words="B-mode still or cine of the upper abdomen, curved probe",
    not_for="Doppler, pelvis",
    size=192,
    settings=SegmentationSettings(
        scope=0.5,
        name="abdominal organs",
        exclusive=True,
        structures=(
            masked("liver", LIVER, ABDOMEN),
            masked("gallbladder", GALLBLADDER, ABDOMEN),
            masked("kidney", KIDNEY, ABDOMEN),
            masked("vessels", VESSEL, ABDOMEN).model_copy(update={"parts": "all", "least_part": 0.0005}),
        ),
    ),
    data=("abdomen",),
    kin=("aul_liver",),
    headline=("liver Dice, silence counted as 0", "kidney Dice, silence counted as 0"),
    bars=(
        Bar(figure="liver Dice, silence counted as 0", least=0.65),
        Bar(figure="gallbladder Dice, silence counted as 0", least=0.65),
        Bar(figure="kidney Dice, silence counted as 0", least=0.65),
        Bar(figure="vessels Dice, silence counted as 0", least=0.65),
    ),
    truth=annotated,
    limits=(
        "26 annotated training pictures of one recording; annotators did not outline every organ in view",
        "spleen, pancreas, adrenals and bone are not in the training split and are never marked",
        "the licence of the data set is not stated",
    ),
)
