"""Nerves and vessels that a needle looks for, or should miss."""

from __future__ import annotations

from models.packages.settings_pictures import SegmentationSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import NERVE, VESSEL, masked
from trainer.tasks.labels import label_map
from trainer.tasks.spec import TaskSpec

STRUCTURES = (masked("nerve", NERVE, NERVE), masked("vessel", VESSEL, VESSEL))
SPEC = TaskSpec(
    name="nerve-vessel",
    title="Nerves and vessels for regional anaesthesia",
    intended_use="Masks of nerves and vessels in views for peripheral nerve blocks.",
    words="B-mode still or cine of neck, axilla, elbow, groin or popliteal fossa, linear probe",
    not_for="Doppler, needles in view, children",
    size=192,
    settings=SegmentationSettings(
        scope=0.5,
        name="nerves and vessels",
        exclusive=True,
        structures=tuple(each.model_copy(update={"parts": "all", "least_part": 0.0005}) for each in STRUCTURES),
    ),
    data=("usgra_seg",),
    kin=("carotid_cca", "timtrack_muscle"),
    headline=("nerve Dice, silence counted as 0", "vessel Dice, silence counted as 0"),
    bars=(
        Bar(figure="nerve Dice, silence counted as 0", least=0.65),
        Bar(figure="vessel Dice, silence counted as 0", least=0.65),
    ),
    truth=lambda folder, name, row: label_map(folder, row, (1, 2)),
    limits=(
        "one department and one scanner; the publisher does not name the mask values, their meaning was read off",
        "patients are guessed: groups of five consecutive pictures",
    ),
)
