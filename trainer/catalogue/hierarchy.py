"""The hierarchy: 9 regions of the body and 52 organs.

The nine regions are those that the EchoCare paper names (arXiv 2509.11752). The paper counts 52 organs; its list was
not at hand when this one was made, so the 52 here are our own choice of what is commonly scanned, kept to the same
number. They need not be the paper's, and a classifier trained on the one cannot be read with the other.

Codes are SNOMED CT as pydicom's dictionary of DICOM PS3.16 holds them, and a test compares each with it. What is not
there (the fetal organs, some muscles) has no code here rather than one from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from models.findings import Code
from trainer.catalogue.errors import NotInCatalogue

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """What a picture shows."""

    name: str  # word of routing rules, unique in the whole catalogue
    code: Code | None  # SNOMED CT; None: not verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the body and the organs that are looked for in it."""

    name: str
    code: Code | None
    organs: tuple[Organ, ...]


def _sct(value: str, meaning: str) -> Code:
    return Code(value=value, scheme="SCT", meaning=meaning)


def _region(name: str, code: Code | None, organs: Mapping[str, tuple[str, str] | None]) -> Region:
    return Region(
        name=name,
        code=code,
        organs=tuple(Organ(name=organ, code=_sct(*pair) if pair else None) for organ, pair in organs.items()),
    )


REGIONS: Final = (
    _region(
        "abdomen",
        _sct("818981001", "Abdomen"),
        {
            "liver": ("10200004", "Liver structure"),
            "gallbladder": ("28231008", "Gallbladder structure"),
            "bile duct": ("28273000", "Bile duct structure"),
            "pancreas": ("15776009", "Pancreatic structure"),
            "spleen": ("78961009", "Splenic structure"),
            "kidney": ("64033007", "Kidney structure"),
            "adrenal gland": ("23451007", "Adrenal structure"),
            "stomach": ("69695003", "Stomach structure"),
            "bowel": None,
            "abdominal aorta": ("7832008", "Abdominal aorta structure"),
            "abdominal vessels": None,
        },
    ),
    _region(
        "back",
        _sct("77568009", "Back structure, excluding neck"),
        {
            "spine": ("421060004", "Structure of vertebral column"),
            "back muscles": ("44947003", "Structure of erector spinae muscle"),
        },
    ),
    _region(
        "fetus",
        None,
        {
            "fetal head": None,
            "fetal heart": None,
            "fetal abdomen": None,
            "fetal spine": None,
            "fetal femur": None,
            "placenta": ("78067005", "Placental structure"),
            "umbilical cord": ("29870000", "Umbilical cord structure"),
        },
    ),
    _region(
        "head & neck",
        _sct("774007", "Head and neck structure"),
        {
            "thyroid": ("69748006", "Thyroid structure"),
            "salivary glands": ("385294005", "Salivary Glands"),
            "carotid artery": ("69105007", "Carotid artery structure"),
            "jugular vein": ("12123001", "Internal jugular vein structure"),
            "eye": ("81745001", "Structure of eye proper"),
            "brain": ("12738006", "Brain structure"),
        },
    ),
    _region(
        "lower limb",
        _sct("61685007", "Lower limb structure"),
        {
            "hip": ("24136001", "Hip joint structure"),
            "knee": ("49076000", "Knee joint structure"),
            "achilles tendon": ("61352006", "Structure of achilles tendon"),
            "quadriceps muscle": None,
            "gastrocnemius muscle": None,
            "femoral artery": ("7657000", "Structure of femoral artery"),
            "leg veins": ("122774002", "Structure of vein of lower extremity"),
        },
    ),
    _region(
        "other",
        None,
        {
            "peripheral nerve": ("84782009", "Peripheral nerve structure"),
            "lymph node": ("59441001", "Structure of lymph node"),
            "subcutaneous tissue": ("71966008", "Subcutaneous tissue structure"),
        },
    ),
    _region(
        "pelvis",
        _sct("816092008", "Pelvis"),
        {
            "urinary bladder": ("89837001", "Urinary bladder structure"),
            "prostate": ("41216001", "Prostatic structure"),
            "uterus": ("35039007", "Uterus"),
            "ovary": ("15497006", "Ovary"),
            "testis": ("40689003", "Testis structure"),
            "rectum": ("34402009", "Rectum structure"),
        },
    ),
    _region(
        "thorax",
        _sct("816094009", "Thorax"),
        {
            "heart": ("80891009", "Heart structure"),
            "lung": ("39607008", "Lung structure"),
            "pleura": ("3120008", "Pleural structure"),
            "breast": ("76752008", "Breast structure"),
            "diaphragm": ("5798000", "Diaphragm structure"),
        },
    ),
    _region(
        "upper limb",
        _sct("53120007", "Upper limb structure"),
        {
            "shoulder": ("16982005", "Shoulder region structure"),
            "elbow": ("16953009", "Elbow joint structure"),
            "wrist": ("74670003", "Wrist joint structure"),
            "hand": ("85562004", "Hand structure"),
            "brachial plexus": ("36582005", "Brachial plexus structure"),
        },
    ),
)

ORGANS: Final = tuple(organ for region in REGIONS for organ in region.organs)
_ORGAN: Final = {organ.name: organ for organ in ORGANS}
_REGION: Final = {region.name: region for region in REGIONS}
_REGION_OF: Final = {organ.name: region for region in REGIONS for organ in region.organs}


def organ_named(name: str) -> Organ:
    """The organ of that name.

    Raises
    ------
    NotInCatalogue
    """
    return _found(_ORGAN, "organ", name)


def region_named(name: str) -> Region:
    """The region of that name.

    Raises
    ------
    NotInCatalogue
    """
    return _found(_REGION, "region", name)


def region_of(organ: str) -> Region:
    """The region that an organ is looked for in.

    Raises
    ------
    NotInCatalogue
    """
    return _found(_REGION_OF, "organ", organ)


def _found(among: Mapping[str, Named], what: str, name: str) -> Named:
    if name not in among:
        raise NotInCatalogue(f"the catalogue has no {what} '{name}'; it has {', '.join(among)}")
    return among[name]
