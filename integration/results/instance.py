"""What every result object has in common: identity, dates, series, equipment.

References
----------
DICOM PS3.3 C.12.1 (SOP Common), C.7.3.1 (General Series), C.7.5.2 (Enhanced General Equipment).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydicom import Dataset, Sequence
from pydicom.sr.coding import Code as DicomCode

from integration.results import codes
from integration.results.patient import copy_attributes, copy_patient_and_study
from integration.results.request import ResultRequest
from integration.results.uids import derived_uid
from models.findings import Code, TaskIdentity

MAX_LO: Final = 64
_SERIES_OF_ROLE: Final = {
    "SR-ECHO": 0,
    "SEG": 1,
    "SR": 2,
    "SR-TEXT": 3,
    "SC": 4,
    "ENH": 5,
    "SR-OB": 6,
    "PR": 7,
    "KOS": 8,
    "PDF": 9,
}
_NOT_FOR_DIAGNOSIS: Final = "not for diagnosis"
UNPAIRED_PARTS: Final = frozenset(
    {
        "ABDOMEN",
        "AORTA",
        "BLADDER",
        "BRAIN",
        "CHEST",
        "COLON",
        "CSPINE",
        "DUODENUM",
        "ESOPHAGUS",
        "GALLBLADDER",
        "HEAD",
        "HEART",
        "JAW",
        "LARYNX",
        "LIVER",
        "LSPINE",
        "MEDIASTINUM",
        "NECK",
        "NOSE",
        "PANCREAS",
        "PELVIS",
        "PENIS",
        "PHARYNX",
        "PROSTATE",
        "RECTUM",
        "SKULL",
        "SPINE",
        "SPLEEN",
        "STOMACH",
        "THYROID",
        "TONGUE",
        "UTERUS",
        "VAGINA",
    }
)
_OFFSET: Final = re.compile(r"([+-])(\d{2})(\d{2})")


def new_instance(request: ResultRequest, role: str, sop_class_uid: str, *, modality: str, says: str) -> Dataset:
    """Begin a result object.

    Parameters
    ----------
    request
        What is written.
    role
        "SEG", "SR", "SR-TEXT", "SC", "ENH", "PR", "KOS" or "PDF"; each is a series of its own.
    sop_class_uid
        Of the result.
    modality
        Of its series.
    says
        Words for the SeriesDescription, after the task's name.

    Returns
    -------
    Dataset
        Patient, study, series, equipment and SOP common attributes; the rest is the caller's.

    Raises
    ------
    UnreadableText
    """
    ds = Dataset()
    copy_patient_and_study(request.header, ds)
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = derived_uid(request.job_identity, role)
    ds.Modality = modality
    ds.SeriesInstanceUID = derived_uid(request.job_identity, role, "series")
    ds.SeriesNumber = _series_number(request.job_identity, role)
    ds.InstanceNumber = 1
    ds.SeriesDescription = series_description(request, says)
    _add_dates(request, ds)
    _add_equipment(request, ds)
    if request.options.research_use:
        ds.ContentQualification = "RESEARCH"
    return ds


def series_description(request: ResultRequest, says: str) -> str:
    """ "fetal-head: segmentation, not for diagnosis", cut in its middle where it is too long."""
    ending = (", a trial" if request.task.trial else "") + (
        f", {_NOT_FOR_DIAGNOSIS}" if request.options.research_use else ""
    )
    return f"{request.task.task}: {says}"[: MAX_LO - len(ending)] + ending


def copy_laterality(request: ResultRequest, ds: Dataset) -> None:
    """Which body part and side were imaged, as the source has them."""
    copy_attributes(request.header, ds, ("BodyPartExamined", "Laterality", "ImageLaterality"))


def side_of(request: ResultRequest) -> DicomCode | None:
    """The side that the source names, as a code of CID 244; None where it names none."""
    side = str(request.header.get("ImageLaterality") or request.header.get("Laterality") or "")
    return codes.LATERALITY.get(side)


def add_unknown_laterality(ds: Dataset) -> None:
    """Say that the side is not known, where the part is not one that has no sides and the source names none.

    General Series wants Laterality of an image then, empty when it is not known (PS3.3 C.7.3.1); of a Segmentation,
    whose functional groups have a place for the side, it does not.
    """
    part = str(ds.get("BodyPartExamined") or "")
    if "Laterality" not in ds and "ImageLaterality" not in ds and part not in UNPAIRED_PARTS:
        ds.Laterality = None


def copy_compression(request: ResultRequest, ds: Dataset) -> None:
    """Say of the result what was lost in the source (PS3.3 C.7.6.1.1.5)."""
    source = request.header
    lossy = str(source.get("LossyImageCompression") or "00")
    ds.LossyImageCompression = lossy
    if lossy == "01":
        copy_attributes(source, ds, ("LossyImageCompressionRatio", "LossyImageCompressionMethod"))


def coded_item(code: Code | DicomCode) -> Dataset:
    """One item of a code sequence."""
    concept = codes.concept(code)
    item = Dataset()
    item.update({element.tag: element for element in concept})
    return item


def source_item(request: ResultRequest, frames: Iterable[int] = ()) -> Dataset:
    """A reference to the source instance; to some of its frames where it has several and some are named."""
    item = Dataset()
    item.ReferencedSOPClassUID = request.header.SOPClassUID
    item.ReferencedSOPInstanceUID = request.header.SOPInstanceUID
    numbers = list(frames)
    if numbers and request.multi_frame:
        item.ReferencedFrameNumber = numbers
    return item


def purposeful_source_item(request: ResultRequest, frames: Iterable[int] = ()) -> Dataset:
    """An item of SourceImageSequence: the reference, and that the result was processed from it."""
    item = source_item(request, frames)
    item.PurposeOfReferenceCodeSequence = Sequence([coded_item(codes.SOURCE_FOR_PROCESSING)])
    return item


def serial_number(task: TaskIdentity) -> str:
    """The package's digest without its prefix, which would not fit into a LO of 64 characters."""
    return task.digest.rpartition(":")[2][:MAX_LO]


def local_time(request: ResultRequest) -> datetime:
    """When the result was made, in the zone that the source's dates and times are in."""
    offset = _OFFSET.fullmatch(str(request.header.get("TimezoneOffsetFromUTC") or "").strip())
    if offset is None:
        return request.created_at.astimezone(timezone.utc)  # noqa: UP017 - one type with the line below
    sign, hours, minutes = offset.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return request.created_at.astimezone(timezone(-ahead if sign == "-" else ahead))


def software_version() -> str:
    """The version of this product."""
    try:
        return version("echocare-node")
    except PackageNotFoundError:
        return "unknown"


def _series_number(job_identity: str, role: str) -> int:
    """1000 to 9999: high enough to lie behind the scanner's, and seldom the same for two jobs of a study."""
    spread = int.from_bytes(hashlib.sha256(job_identity.encode()).digest()[:4]) % 900
    return 1000 + 10 * spread + _SERIES_OF_ROLE[role]


def _add_dates(request: ResultRequest, ds: Dataset) -> None:
    local = local_time(request)
    date, time = local.strftime("%Y%m%d"), local.strftime("%H%M%S")
    ds.SeriesDate = ds.InstanceCreationDate = ds.ContentDate = date
    ds.SeriesTime = ds.InstanceCreationTime = ds.ContentTime = time


def _add_equipment(request: ResultRequest, ds: Dataset) -> None:
    task = request.task
    ds.Manufacturer = task.manufacturer[:MAX_LO]
    ds.ManufacturerModelName = task.task[:MAX_LO]
    ds.DeviceSerialNumber = serial_number(task)
    ds.SoftwareVersions = [software_version(), task.version]
    if request.options.institution_name is not None:
        ds.InstitutionName = request.options.institution_name
    else:
        copy_attributes(request.header, ds, ("InstitutionName",))
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = Sequence([coded_item(codes.PROCESSING_EQUIPMENT)])
    item.Manufacturer = ds.Manufacturer
    item.ManufacturerModelName = ds.ManufacturerModelName
    item.DeviceSerialNumber = ds.DeviceSerialNumber
    item.SoftwareVersions = [software_version(), task.version]
    item.ContributionDateTime = local_time(request).strftime("%Y%m%d%H%M%S%z")
    item.ContributionDescription = (
        f"task {task.task} {task.version}, package {task.digest}, encoder {task.encoder_digest}, "
        f"revision {request.revision_number}"
    )
    ds.ContributingEquipmentSequence = Sequence([item])
