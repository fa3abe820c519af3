"""The liver and a mass in it."""

from __future__ import annotations

from models.packages.settings_pictures import SegmentationSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import LIVER, MASS, masked
from trainer.tasks.labels import label_map
from trainer.tasks.spec import TaskSpec

SPEC = TaskSpec(
    name="liver-mass",
    title="Liver and liver mass outlines",
    intended_use="Masks of the liver and of the largest mass in it.",
    words="B-mode still or cine of the liver, curved probe",
    not_for="Doppler, contrast, elastography",
    size=192,
    settings=SegmentationSettings(
        scope=0.5,
        name="liver",
        exclusive=True,
        structures=(masked("liver", LIVER, LIVER), masked("liver mass", MASS, LIVER, abnormal=True, area=True)),
    ),
    data=("aul_liver",),
    kin=("abdomen",),
    headline=("liver mass Dice, silence counted as 0", "liver Dice, silence counted as 0"),
    bars=(
        Bar(figure="liver mass Dice, silence counted as 0", least=0.65),
        Bar(figure="liver Dice, silence counted as 0", least=0.65),
    ),
    truth=lambda folder, name, row: label_map(folder, row, (1, 2)),
    limits=(
        "130 training pictures; no patient ids are published, so one patient may lie in two splits",
        "the mask of the liver leaves the mass out",
    ),
)
