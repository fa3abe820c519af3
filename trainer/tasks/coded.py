"""Codes and structures that several tasks name.

SNOMED CT, LOINC and DCM values are those of DICOM PS3.16 as pydicom's dictionary has them (a test compares); what has
no code there gets one of this project's private scheme. Myocardium is from SNOMED CT itself.
"""

from __future__ import annotations

from models.packages.parts import CodeOnCard, Structure
from models.packages.settings_pictures import MaskedStructure, MaskGates

PRIVATE = "99ECHOCARE"
OPEN_GATES = MaskGates(confidence=0.0, area=(0.0, 1.0))  # until validation pictures close them


def sct(value: str, meaning: str) -> CodeOnCard:
    """A SNOMED CT concept."""
    return CodeOnCard(value=value, scheme="SCT", meaning=meaning)


def private(value: str, meaning: str) -> CodeOnCard:
    """A concept of this project's own scheme."""
    return CodeOnCard(value=value, scheme=PRIVATE, meaning=meaning)


ANATOMY = sct("91723000", "Anatomical Structure")
ABNORMAL = sct("49755003", "Morphologically Abnormal Structure")
CAROTID = sct("32062004", "Common carotid artery")
NERVE = sct("91728009", "Nerve")
VESSEL = sct("59820001", "Blood Vessel")
HEART = sct("80891009", "Heart")
LEFT_VENTRICLE = sct("87878005", "Left ventricle")
MYOCARDIUM = sct("74281007", "Myocardium")
LEFT_ATRIUM = sct("82471001", "Left atrium")
THYROID = sct("69748006", "Thyroid")
NODULE = sct("27925004", "Nodule")
LIVER = sct("10200004", "Liver")
MASS = sct("4147007", "Mass")
GALLBLADDER = sct("28231008", "Gallbladder")
KIDNEY = sct("64033007", "Kidney")
HEAD = sct("69536005", "Head")
BREAST = sct("76752008", "Breast")
LUNG = sct("39607008", "Lung")
SKELETAL_MUSCLE = sct("127954009", "Skeletal muscle")
ABDOMEN = sct("818981001", "Abdomen")
THORAX = sct("816094009", "Thorax")
HEAD_AND_NECK = sct("774007", "Head and Neck")
LOWER_LIMB = sct("61685007", "Lower limb")
FETUS = private("region-fetus", "Fetus")
ELSEWHERE = private("region-other", "Other region")
EJECTION_FRACTION = CodeOnCard(value="18043-0", scheme="LN", meaning="Left Ventricular Ejection Fraction by US")
IMPRESSION = CodeOnCard(value="121073", scheme="DCM", meaning="Impression")
ASSESSMENT = CodeOnCard(value="111005", scheme="DCM", meaning="Assessment Category")


def masked(
    name: str, kind: CodeOnCard, site: CodeOnCard, *, abnormal: bool = False, area: bool = False
) -> MaskedStructure:
    """One structure with open gates."""
    structure = Structure(name=name, category=ABNORMAL if abnormal else ANATOMY, type=kind, site=site)
    return MaskedStructure(structure=structure, gates=OPEN_GATES, area=area)
