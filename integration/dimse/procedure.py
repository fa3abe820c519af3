"""Modality Performed Procedure Step: what a modality says of an exam while it does it.

References
----------
DICOM PS3.4 F.7 (SOP class, table F.7.2-1 its attributes), PS3.3 C.4.13 to C.4.15.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom import Dataset

from integration.dimse.errors import InvalidRequest
from integration.dimse.normalized import INVALID_VALUE, MISSING_ATTRIBUTE, decoded, items, reading, uid, word

PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"  # Modality Performed Procedure Step SOP Class


class StepStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """What N-CREATE says of a step."""

    study_uids: tuple[str, ...]  # of the studies that the step belongs to; one, where procedures are not grouped
    instances: tuple[str, ...]  # SOP Instance UIDs made so far, mostly none yet


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """What N-SET says of a step."""

    status: StepStatus | None  # None: as before
    instances: tuple[str, ...] | None  # SOP Instance UIDs of all that was made; None: as before


def read_new_step(encoded: bytes, transfer_syntax: str) -> NewStep:
    """Read the attribute list of an N-CREATE.

    Raises
    ------
    InvalidRequest
        It cannot be read, does not begin IN PROGRESS, or names no study.
    """
    with reading("the attribute list"):
        ds = decoded(encoded, transfer_syntax)
        if _status(word(ds, "PerformedProcedureStepStatus")) is not StepStatus.IN_PROGRESS:
            raise InvalidRequest("PerformedProcedureStepStatus must be IN PROGRESS at first", status=INVALID_VALUE)
        scheduled = items(ds, "ScheduledStepAttributesSequence")
        if not scheduled:
            raise InvalidRequest("ScheduledStepAttributesSequence is missing", status=MISSING_ATTRIBUTE)
        studies = tuple(dict.fromkeys(uid(item, "StudyInstanceUID") for item in scheduled))
        return NewStep(study_uids=studies, instances=_instances(ds) or ())


def read_step_change(encoded: bytes, transfer_syntax: str) -> StepChange:
    """Read the modification list of an N-SET.

    Raises
    ------
    InvalidRequest
        It cannot be read, or its status is none.
    """
    with reading("the modification list"):
        ds = decoded(encoded, transfer_syntax)
        has_status = "PerformedProcedureStepStatus" in ds
        status = _status(word(ds, "PerformedProcedureStepStatus")) if has_status else None
        return StepChange(status=status, instances=_instances(ds))


def _status(text: str) -> StepStatus:
    try:
        return StepStatus(text)
    except ValueError as error:
        raise InvalidRequest("PerformedProcedureStepStatus has an unknown value", status=INVALID_VALUE) from error


def _instances(ds: Dataset) -> tuple[str, ...] | None:
    if "PerformedSeriesSequence" not in ds:
        return None
    return tuple(
        dict.fromkeys(
            uid(reference, "ReferencedSOPInstanceUID")
            for series in items(ds, "PerformedSeriesSequence")
            for keyword in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
            for reference in items(series, keyword)
        )
    )
