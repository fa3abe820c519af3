"""What a DICOM header says about region and organ.

References
----------
DICOM PS3.16 annex L (correspondence of Body Part Examined with coded anatomic regions), PS3.3 C.7.6.16.2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.catalogue.data_sets import Shown, organ_shown
from trainer.catalogue.hierarchy import ORGANS, REGIONS

if TYPE_CHECKING:
    from pydicom import Dataset

_ORGAN_OF_WORD: Final = {
    "ACHILLESTENDON": "achilles tendon", "ADRENAL": "adrenal gland", "AORTA": "abdominal aorta",
    "BILEDUCT": "bile duct", "BLADDER": "urinary bladder", "BRAIN": "brain", "BREAST": "breast",
    "CAROTID": "carotid artery", "DIAPHRAGM": "diaphragm", "ELBOW": "elbow", "EYE": "eye",
    "FEMORALA": "femoral artery", "GALLBLADDER": "gallbladder", "HAND": "hand", "HEART": "heart", "HIP": "hip",
    "KIDNEY": "kidney", "KNEE": "knee", "LIVER": "liver", "LUNG": "lung", "OVARY": "ovary", "PANCREAS": "pancreas",
    "PLACENTA": "placenta", "PLEURA": "pleura", "PROSTATE": "prostate", "RECTUM": "rectum", "SHOULDER": "shoulder",
    "SPINE": "spine", "SPLEEN": "spleen", "STOMACH": "stomach", "TESTIS": "testis", "THYROID": "thyroid",
    "UMBILICALCORD": "umbilical cord", "UTERUS": "uterus", "WRIST": "wrist",
}  # fmt: skip
_REGION_OF_WORD: Final = {
    "ABDOMEN": "abdomen", "ARM": "upper limb", "BACK": "back", "CHEST": "thorax", "FETUS": "fetus",
    "HEAD": "head & neck", "HEADNECK": "head & neck", "LEG": "lower limb", "NECK": "head & neck", "PELVIS": "pelvis",
    "THORAX": "thorax",
}  # fmt: skip
_ORGAN_OF_CODE: Final = {organ.code.value: organ.name for organ in ORGANS if organ.code is not None}
_REGION_OF_CODE: Final = {region.code.value: region.name for region in REGIONS if region.code is not None}


def shown_by(header: Dataset) -> Shown:
    """Region and organ by Anatomic Region Sequence, else by Body Part Examined; free text is not guessed from."""
    for item in header.get("AnatomicRegionSequence") or ():
        value = str(item.get("CodeValue", "") or "")
        if value in _ORGAN_OF_CODE:
            return organ_shown(_ORGAN_OF_CODE[value])
        if value in _REGION_OF_CODE:
            return Shown(region=_REGION_OF_CODE[value])
    word = str(header.get("BodyPartExamined", "") or "").replace(" ", "").upper()
    if word in _ORGAN_OF_WORD:
        return organ_shown(_ORGAN_OF_WORD[word])
    return Shown(region=_REGION_OF_WORD.get(word, ""))
