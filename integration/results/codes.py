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
DEVICE_OBSERVER: Final = DicomCode("121007", "DCM", "Device")
TISSUE: Final = DicomCode("85756007", "SCT", "Tissue")
LEFT: Final = DicomCode("7771000", "SCT", "Left")
RIGHT: Final = DicomCode("24028007", "SCT", "Right")
BILATERAL: Final = DicomCode("51440002", "SCT", "Bilateral")
MILLIMETRE: Final = DicomCode("mm", "UCUM", "mm")
SQUARE_MILLIMETRE: Final = DicomCode("mm2", "UCUM", "square millimeter")
PERCENT: Final = DicomCode("%", "UCUM", "Percent")
UNITY: Final = DicomCode("1", "UCUM", "no units")
DEGREE: Final = DicomCode("deg", "UCUM", "Degree")
PIXELS: Final = DicomCode("{pixels}", "UCUM", "pixels")

LATERALITY: Final = {"L": LEFT, "R": RIGHT, "B": BILATERAL}
UNITS: Final = {
    "mm": MILLIMETRE,
    "mm2": SQUARE_MILLIMETRE,
    "%": PERCENT,
    "1": UNITY,
    "deg": DEGREE,
    "px": PIXELS,
    "px2": PIXELS,  # an area is a count of pixels
}

EXCEPTIONS: Final = {
    ("UCUM", "{pixels}"): "UCUM section 6: an annotation in curly braces is the unit 1; used so in DICOM PS3.16",
}
"""Codes that pydicom's dictionary does not hold, and where they come from."""


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
