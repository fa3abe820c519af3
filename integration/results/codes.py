"""Every code that results are written with, beside those that the task packages bring.

A test looks each one up in pydicom's dictionary of DICOM's context groups, or in `EXCEPTIONS`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code as DicomCode

from models.findings import Code

PRIVATE_SCHEME: Final = "99ECHOCARE"
MAX_MEANING: Final = 64  # CodeMeaning is LO
MAX_VALUE: Final = 16  # CodeValue is SH

MEASUREMENT_REPORT: Final = DicomCode("126000", "DCM", "Imaging Measurement Report")
ULTRASOUND_REPORT: Final = DicomCode("25061-3", "LN", "Ultrasound Report")
PROCEDURE: Final = DicomCode("16310003", "SCT", "Diagnostic ultrasonography")
IMAGING_MEASUREMENTS: Final = DicomCode("126010", "DCM", "Imaging Measurements")
COMMENT: Final = DicomCode("121106", "DCM", "Comment")
CERTAINTY: Final = DicomCode("111012", "DCM", "Certainty of Finding")
PROBABILITY: Final = DicomCode("122157", "DCM", "Probability")
FINDINGS: Final = DicomCode("121070", "DCM", "Findings")
FINDING: Final = DicomCode("121071", "DCM", "Finding")
ARTIFICIAL_INTELLIGENCE: Final = DicomCode("123110", "DCM", "Artificial Intelligence")
SEGMENTATION: Final = DicomCode("113076", "DCM", "Segmentation")
SOURCE_FOR_PROCESSING: Final = DicomCode("121322", "DCM", "Source image for image processing operation")
PROCESSING_EQUIPMENT: Final = DicomCode("109102", "DCM", "Processing Equipment")
OF_INTEREST: Final = DicomCode("113000", "DCM", "Of Interest")
KEY_OBJECT_DESCRIPTION: Final = DicomCode("113012", "DCM", "Key Object Description")
SOURCE: Final = DicomCode("260753009", "SCT", "Source (attribute)")
DEVICE_OBSERVER: Final = DicomCode("121007", "DCM", "Device")
TISSUE: Final = DicomCode("85756007", "SCT", "Tissue")
SOURCE_OF_MEASUREMENT: Final = DicomCode("121112", "DCM", "Source of Measurement")
MEASUREMENT_METHOD: Final = DicomCode("370129005", "SCT", "Measurement Method")

OBGYN_REPORT: Final = DicomCode("125000", "DCM", "OB-GYN Ultrasound Procedure Report")
SUMMARY: Final = DicomCode("121111", "DCM", "Summary")
FETAL_BIOMETRY: Final = DicomCode("125002", "DCM", "Fetal Biometry")
BIOMETRY_GROUP: Final = DicomCode("125005", "DCM", "Biometry Group")
GESTATIONAL_AGE: Final = DicomCode("18185-9", "LN", "Gestational Age")
EQUATION: Final = DicomCode("121420", "DCM", "Equation")
HC_HADLOCK_1984: Final = DicomCode("11932-1", "LN", "HC, Hadlock 1984")
HEAD_CIRCUMFERENCE: Final = DicomCode("11984-2", "LN", "Head Circumference")
BIPARIETAL_DIAMETER: Final = DicomCode("11820-8", "LN", "Biparietal Diameter")
OCCIPITOFRONTAL_DIAMETER: Final = DicomCode("11851-3", "LN", "Occipital-Frontal Diameter")
ABDOMINAL_CIRCUMFERENCE: Final = DicomCode("11979-2", "LN", "Abdominal Circumference")
FEMUR_LENGTH: Final = DicomCode("11963-6", "LN", "Femur Length")

ECHO_REPORT: Final = DicomCode("125200", "DCM", "Adult Echocardiography Procedure Report")
PRE_COORDINATED: Final = DicomCode("125301", "DCM", "Pre-coordinated Measurements")
POST_COORDINATED: Final = DicomCode("125302", "DCM", "Post-coordinated Measurements")
MEASUREMENT_TYPE: Final = DicomCode("125306", "DCM", "Measurement Type")
CALCULATED: Final = DicomCode("125315", "DCM", "Calculated")
DIRECTLY_MEASURED: Final = DicomCode("125316", "DCM", "Directly measured")
FINDING_SITE: Final = DicomCode("363698007", "SCT", "Finding Site")
OBSERVATION_TYPE: Final = DicomCode("125305", "DCM", "Finding Observation Type")
HEMODYNAMIC: Final = DicomCode("44324008", "SCT", "Hemodynamic Measurements")
STRUCTURE_OF_SITE: Final = DicomCode("125311", "DCM", "Structure of the Finding Site")
MEASURED_PROPERTY: Final = DicomCode("125307", "DCM", "Measured Property")
EJECTION_FRACTION: Final = DicomCode("70822001", "SCT", "Cardiac ejection fraction")
AREA: Final = DicomCode("42798000", "SCT", "Area")
VOLUME: Final = DicomCode("118565006", "SCT", "Volume")
CARDIAC_CYCLE_POINT: Final = DicomCode("272518008", "SCT", "Cardiac Cycle Point")
END_DIASTOLE: Final = DicomCode("416190007", "SCT", "End diastole")
END_SYSTOLE: Final = DicomCode("416430001", "SCT", "End Systole")
PLANIMETRY: Final = DicomCode("125220", "DCM", "Planimetry")
SHORT_LABEL: Final = DicomCode("125309", "DCM", "Short Label")
LEFT_VENTRICLE: Final = DicomCode("87878005", "SCT", "Left ventricle")
LEFT_ATRIUM: Final = DicomCode("82471001", "SCT", "Left atrium")
RIGHT_VENTRICLE: Final = DicomCode("53085002", "SCT", "Right ventricle")
RIGHT_ATRIUM: Final = DicomCode("73829009", "SCT", "Right atrium")
LV_EJECTION_FRACTION: Final = DicomCode("18043-0", "LN", "Left Ventricular Ejection Fraction by US")
LV_EJECTION_FRACTION_BIPLANE: Final = DicomCode("79991-6", "LN", "Left ventricular ejection fraction biplane (MOD)")
LV_EJECTION_FRACTION_2C: Final = DicomCode("79992-4", "LN", "Left ventricular ejection fraction single plane 2C (MOD)")
LV_EJECTION_FRACTION_4C: Final = DicomCode("79993-2", "LN", "Left ventricular ejection fraction single plane 4C (MOD)")
LV_END_DIASTOLIC_VOLUME: Final = DicomCode("18026-5", "LN", "Left Ventricular End Diastolic Volume")
LV_END_DIASTOLIC_VOLUME_2C: Final = DicomCode(
    "79998-1", "LN", "Left ventricular end diastolic volume single plane 2C (MOD)"
)
LV_END_DIASTOLIC_VOLUME_4C: Final = DicomCode(
    "79999-9", "LN", "Left ventricular end diastolic volume single plane 4C (MOD)"
)
LV_END_SYSTOLIC_VOLUME: Final = DicomCode("18148-7", "LN", "Left Ventricular End Systolic Volume")
LV_END_SYSTOLIC_VOLUME_2C: Final = DicomCode(
    "80003-7", "LN", "Left ventricular end systolic volume single plane 2C (MOD)"
)
LV_END_SYSTOLIC_VOLUME_4C: Final = DicomCode(
    "80004-5", "LN", "Left ventricular end systolic volume single plane 4C (MOD)"
)

LEFT: Final = DicomCode("7771000", "SCT", "Left")
RIGHT: Final = DicomCode("24028007", "SCT", "Right")
BILATERAL: Final = DicomCode("51440002", "SCT", "Bilateral")
MILLIMETRE: Final = DicomCode("mm", "UCUM", "mm")
SQUARE_MILLIMETRE: Final = DicomCode("mm2", "UCUM", "square millimeter")
MILLILITRE: Final = DicomCode("ml", "UCUM", "ml")
PERCENT: Final = DicomCode("%", "UCUM", "Percent")
UNITY: Final = DicomCode("1", "UCUM", "no units")
DEGREE: Final = DicomCode("deg", "UCUM", "Degree")
PIXELS: Final = DicomCode("{pixels}", "UCUM", "pixels")
DAY: Final = DicomCode("d", "UCUM", "day")
ENGLISH: Final = DicomCode("en-US", "RFC5646", "English (United States)")

LATERALITY: Final = {"L": LEFT, "R": RIGHT, "B": BILATERAL}
UNITS: Final = {
    "mm": MILLIMETRE,
    "mm2": SQUARE_MILLIMETRE,
    "ml": MILLILITRE,
    "%": PERCENT,
    "1": UNITY,
    "deg": DEGREE,
    "px": PIXELS,
    "px2": PIXELS,  # an area is a count of pixels
    "px3": PIXELS,
}

FETAL_MEASUREMENTS: Final = frozenset(
    code.value
    for code in (
        HEAD_CIRCUMFERENCE,
        BIPARIETAL_DIAMETER,
        OCCIPITOFRONTAL_DIAMETER,
        ABDOMINAL_CIRCUMFERENCE,
        FEMUR_LENGTH,
    )
)
"""LOINC codes of CID 12005 that tasks measure; other than its kidneys and ears, each is a fetus's by its name."""

EJECTION_FRACTIONS: Final = frozenset(
    code.value
    for code in (
        LV_EJECTION_FRACTION,
        LV_EJECTION_FRACTION_BIPLANE,
        LV_EJECTION_FRACTION_2C,
        LV_EJECTION_FRACTION_4C,
    )
)

END_DIASTOLIC_VOLUMES: Final = frozenset(
    code.value for code in (LV_END_DIASTOLIC_VOLUME, LV_END_DIASTOLIC_VOLUME_2C, LV_END_DIASTOLIC_VOLUME_4C)
)

END_SYSTOLIC_VOLUMES: Final = frozenset(
    code.value for code in (LV_END_SYSTOLIC_VOLUME, LV_END_SYSTOLIC_VOLUME_2C, LV_END_SYSTOLIC_VOLUME_4C)
)

PRE_COORDINATED_ECHO: Final = frozenset(
    code.value
    for code in (
        LV_EJECTION_FRACTION_BIPLANE,
        LV_EJECTION_FRACTION_2C,
        LV_EJECTION_FRACTION_4C,
        LV_END_DIASTOLIC_VOLUME_2C,
        LV_END_DIASTOLIC_VOLUME_4C,
        LV_END_SYSTOLIC_VOLUME_2C,
        LV_END_SYSTOLIC_VOLUME_4C,
    )
)
"""LOINC codes of CID 12300 that say view and method by themselves."""

HEART_CHAMBERS: Final = {code.value: code for code in (LEFT_VENTRICLE, LEFT_ATRIUM, RIGHT_VENTRICLE, RIGHT_ATRIUM)}
"""SNOMED CT codes of CID 12305 whose areas an echo report gives."""

EXCEPTIONS: Final = {
    ("RFC5646", "en-US"): "IETF RFC 5646; DICOM PS3.16 CID 5000 takes its languages from there",
    ("UCUM", "ml"): "UCUM table of units: litre with the prefix milli; written so in DICOM PS3.17 CCCC.5",
    ("UCUM", "{pixels}"): "UCUM section 6: an annotation in curly braces is the unit 1; used so in DICOM PS3.16",
}
"""Codes that pydicom's dictionary does not hold, and where they come from."""

OTHER_MEANINGS: Final = {
    ("SCT", "272518008"): "DICOM PS3.17 CCCC.5; the dictionary has SNOMED CT's full name of the same code",
}
"""Codes of the dictionary that DICOM writes with another meaning, and where."""


def concept(code: Code | DicomCode) -> CodedConcept:
    """A code as highdicom wants it; a meaning too long for its element is cut."""
    scheme = code.scheme if isinstance(code, Code) else code.scheme_designator
    return CodedConcept(code.value, scheme, code.meaning[:MAX_MEANING])


def named_concept(code: Code | None, name: str) -> CodedConcept:
    """The concept of a finding, or one of the private scheme where the task gives none."""
    if code is not None:
        return concept(code)
    value = "EC" + hashlib.sha256(name.encode()).hexdigest()[: MAX_VALUE - 2].upper()
    return CodedConcept(value, PRIVATE_SCHEME, name[:MAX_MEANING])


def unit_concept(unit: str) -> CodedConcept:
    """The UCUM code of a unit of `models.findings.Quantity`."""
    return concept(UNITS.get(unit) or DicomCode(unit, "UCUM", unit))
