"""Lumen and wall of the common carotid artery, as experts outlined it."""

from __future__ import annotations

from models.packages.settings_pictures import SegmentationSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import CAROTID, masked
from trainer.tasks.labels import binary_map
from trainer.tasks.spec import TaskSpec

SPEC = TaskSpec(
    name="carotid",
    title="Common carotid artery outline",
    intended_use="Outline and area of the common carotid artery in cross-section.",
    words="B-mode still or cine of the neck in cross-section, linear probe, one common carotid artery in view",
    not_for="long-axis views, Doppler, other vessels",
    size=192,
    settings=SegmentationSettings(
        scope=0.5,
        name="common carotid artery",
        exclusive=True,
        structures=(masked("common carotid artery", CAROTID, CAROTID, area=True),),
    ),
    data=("carotid_cca",),
    kin=("usgra_seg", "thyroid"),
    headline=("common carotid artery Dice, silence counted as 0",),
    bars=(Bar(figure="common carotid artery Dice, silence counted as 0", least=0.65),),
    truth=lambda folder, name, row: binary_map(folder, row),
    limits=(
        "eleven volunteers of one site and one scanner; patients are guessed from recording times",
        "plaques and narrowed arteries were not in the training data",
    ),
)
