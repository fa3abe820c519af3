"""Which region and organ a picture shows, learned from all sets at once."""

from __future__ import annotations

from pathlib import Path

from models.packages.settings_pictures import Organ, Region, ViewSettings
from trainer.tasks import coded
from trainer.tasks.bars import Bar
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import UNKNOWN, ViewAnswer

REGIONS = (
    Region(
        name="head & neck",
        code=coded.HEAD_AND_NECK,
        organs=(
            Organ(name="thyroid", code=coded.THYROID),
            Organ(name="carotid artery", code=coded.CAROTID),
        ),
    ),
    Region(
        name="thorax",
        code=coded.THORAX,
        organs=(
            Organ(name="breast", code=coded.BREAST),
            Organ(name="heart", code=coded.HEART),
            Organ(name="lung", code=coded.LUNG),
        ),
    ),
    Region(
        name="abdomen",
        code=coded.ABDOMEN,
        organs=(Organ(name="liver", code=coded.LIVER), Organ(name="kidney", code=coded.KIDNEY)),
    ),
    Region(name="fetus", code=coded.FETUS, organs=(Organ(name="fetal head", code=coded.HEAD),)),
    Region(name="lower limb", code=coded.LOWER_LIMB, organs=(Organ(name="muscle", code=coded.SKELETAL_MUSCLE),)),
    Region(name="other", code=coded.ELSEWHERE, organs=(Organ(name="peripheral nerve", code=coded.NERVE),)),
)
ORGAN_OF_SET = {
    "thyroid": "thyroid",
    "carotid_cca": "carotid artery",
    "bus_bra": "breast",
    "camus_4ch": "heart",
    "lung_pocus": "lung",
    "aul_liver": "liver",
    "hc18": "fetal head",
    "timtrack_muscle": "muscle",
    "usgra_seg": "peripheral nerve",
}
PLACES = {
    organ.name: (number, first)
    for first, (number, organ) in enumerate(
        (number, organ) for number, region in enumerate(REGIONS) for organ in region.organs
    )
}


def seen(folder: Path, name: str, row: Row) -> ViewAnswer:
    """Region and organ by the set; of the abdomen set the organ that somebody outlined, where it is one alone."""
    organ = ORGAN_OF_SET.get(name)
    if organ is None:
        organ = row["organs"] if row["organs"] in PLACES else None
    if organ is None:
        return ViewAnswer(region=PLACES["liver"][0], organ=UNKNOWN)
    region, number = PLACES[organ]
    return ViewAnswer(region=region, organ=number)


SPEC = TaskSpec(
    name="view",
    title="Region and organ in view",
    intended_use="Tells region and organ of a picture, so that rules can choose tasks. Not for reporting.",
    words="any B-mode still or cine",
    not_for="Doppler, elastography; regions and organs that are not on this card get one that is",
    size=192,
    settings=ViewSettings(scope=0.5, regions=REGIONS),
    data=(*ORGAN_OF_SET, "abdomen"),
    kin=("busi",),
    headline=("organ accuracy", "region accuracy"),
    bars=(Bar(figure="organ accuracy", least=90.0),),
    truth=seen,
    variation=Variation(turn_deg=12.0, drawn=0.5),
    limits=(
        "organ and data set go together here: part of the accuracy may be that of telling scanners apart",
        "kidneys are known from a handful of pictures of one recording",
    ),
)
