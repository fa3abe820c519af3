"""Patient and study attributes of a result: copied from the source, never composed.

Text is decoded by the source's own character set and written in UTF-8 (ISO_IR 192), which holds every character of
every DICOM character set. What the source lacks stays absent, or empty where the standard wants the element.

References
----------
DICOM PS3.3 C.7.1.1, C.7.1.3 (patient), C.7.2.1, C.7.2.2, C.7.2.3 (study), PS3.5 6.1 (character sets).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydicom import DataElement, Dataset, Sequence
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue

from integration.results.errors import UnreadableText

CHARACTER_SET: Final = "ISO_IR 192"

EMPTY_ALLOWED: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
"""Type 2: written empty where the source lacks them."""

PATIENT: Final = (
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar",
    "PatientAlternativeCalendar",
    "QualityControlSubject",
    "EthnicGroup",
    "PatientComments",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "BreedRegistrationSequence",
    "StrainDescription",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
)
STUDY: Final = (
    "StudyInstanceUID",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "PhysiciansOfRecord",
    "ConsultingPhysicianName",
    "ReferencedStudySequence",
    "ProcedureCodeSequence",
    "ReasonForPerformedProcedureCodeSequence",
    "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientBodyMassIndex",
    "PregnancyStatus",
    "LastMenstrualDate",
    "Occupation",
    "AdditionalPatientHistory",
    "MedicalAlerts",
    "Allergies",
    "SmokingStatus",
    "PatientState",
    "PatientSexNeutered",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "ServiceEpisodeID",
    "ServiceEpisodeDescription",
    "TimezoneOffsetFromUTC",
    "LongitudinalTemporalInformationModified",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
)
_REPLACEMENT = "�"  # what decoding puts where bytes do not fit the character set


def copy_patient_and_study(source: Dataset, result: Dataset) -> None:
    """Copy the attributes of patient and study, value for value.

    Parameters
    ----------
    source
        Header of the source instance, with its own SpecificCharacterSet.
    result
        Gets the attributes and SpecificCharacterSet ISO_IR 192.

    Raises
    ------
    UnreadableText
        Text that the source's character set does not decode: a name would be changed by copying it.
    """
    result.SpecificCharacterSet = CHARACTER_SET
    copy_attributes(source, result, PATIENT + STUDY)
    copy_attributes(source, result, EMPTY_ALLOWED, keep_empty=True)


def copy_attributes(source: Dataset, result: Dataset, keywords: Iterable[str], *, keep_empty: bool = False) -> None:
    """Copy some attributes in UTF-8; the empty ones only where asked, and then also what the source lacks.

    Raises
    ------
    UnreadableText
    """
    for keyword in keywords:
        if keyword in source and not source[keyword].is_empty:
            result.add(_in_unicode(source[keyword]))
        elif keep_empty:
            tag = tag_for_keyword(keyword)
            if tag is not None:
                result.add(DataElement(tag, dictionary_VR(tag), None))


def _in_unicode(element: DataElement) -> DataElement:
    """The element with text as str, which pydicom encodes anew by the result's character set."""
    if element.VR == "SQ":
        return DataElement(element.tag, "SQ", Sequence(_item_in_unicode(item) for item in element.value))
    return DataElement(element.tag, element.VR, _plain(element), validation_mode=IGNORE)


def _plain(element: DataElement) -> Any:  # noqa: ANN401 - the value of a DICOM element has no one type
    value = element.value
    if element.VR not in ("PN", "SH", "LO", "ST", "LT", "UC", "UT"):
        return value
    texts = [str(part) for part in value] if isinstance(value, MultiValue | list) else [str(value)]
    if any(_REPLACEMENT in text for text in texts):
        raise UnreadableText(
            f"{element.keyword} {element.tag} of the source does not decode by its SpecificCharacterSet (0008,0005): "
            "the sender must declare the character set it writes"
        )
    return texts if isinstance(value, MultiValue | list) else texts[0]


def _item_in_unicode(item: Dataset) -> Dataset:
    copied = Dataset()
    for element in item:
        if element.keyword != "SpecificCharacterSet" and not element.tag.is_private:
            copied.add(_in_unicode(element))
    return copied
