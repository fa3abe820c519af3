"""Left ventricle, its muscle, and left atrium in apical views."""

from __future__ import annotations

from models.packages.settings_ejection import EjectionFraction
from models.packages.settings_pictures import SegmentationSettings
from trainer.tasks.bars import Bar
from trainer.tasks.coded import EJECTION_FRACTION, HEART, LEFT_ATRIUM, LEFT_VENTRICLE, MYOCARDIUM, masked
from trainer.tasks.labels import label_map
from trainer.tasks.spec import TaskSpec, Variation

SPEC = TaskSpec(
    name="heart-chambers",
    title="Chambers of the left heart",
    intended_use="Masks of left-ventricular cavity, left-ventricular myocardium and left atrium; of a cine the ejection"
    " fraction by the method of discs in one plane.",
    words="B-mode still or cine, apical four- or two-chamber view, phased-array probe",
    not_for="other views, Doppler, contrast",
    size=192,
    settings=SegmentationSettings(
        scope=0.5,
        name="left heart",
        exclusive=True,
        structures=(
            masked("left ventricle", LEFT_VENTRICLE, HEART, area=True),
            masked("myocardium", MYOCARDIUM, HEART),
            masked("left atrium", LEFT_ATRIUM, HEART, area=True),
        ),
        ejection=EjectionFraction(structure="left ventricle", code=EJECTION_FRACTION),
    ),
    data=("camus_4ch",),
    headline=(
        "left ventricle Dice, silence counted as 0",
        "myocardium Dice, silence counted as 0",
        "left atrium Dice, silence counted as 0",
    ),
    bars=(
        Bar(figure="left ventricle Dice, silence counted as 0", least=0.65),
        Bar(figure="myocardium Dice, silence counted as 0", least=0.65),
        Bar(figure="left atrium Dice, silence counted as 0", least=0.65),
    ),
    truth=lambda folder, name, row: label_map(folder, row, (1, 2, 3)),
    # the left heart lies on one side of these views: mirrored pictures would teach what no probe shows
    variation=Variation(turn_deg=12.0, mirrored=False, drawn=0.1),
    limits=(
        "one hospital, one scanner; no pixel spacing is published, so areas are not comparable between patients",
        "for non-commercial research only, by the terms of the data set",
        "no cine was in the data: the ejection fraction was measured on end-diastolic and end-systolic stills, and in"
        " one plane",
    ),
)
