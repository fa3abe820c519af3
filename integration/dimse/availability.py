"""Instance Availability Notification: an archive says which instances of a study can be had.

References
----------
DICOM PS3.4 Annex R, PS3.3 C.4.23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from integration.dimse.errors import InvalidRequest
from integration.dimse.normalized import INVALID_VALUE, MISSING_ATTRIBUTE, decoded, items, reading, uid, word

INSTANCE_AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"  # Instance Availability Notification SOP Class
AVAILABLE: Final = frozenset({"ONLINE", "NEARLINE"})
NOT_AVAILABLE: Final = frozenset({"OFFLINE", "UNAVAILABLE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What a notification says."""

    study_uid: str
    available: tuple[str, ...]  # SOP Instance UIDs that can be had without a person's help


def read_availability(encoded: bytes, transfer_syntax: str) -> Availability:
    """Read the attribute list of an N-CREATE.

    Raises
    ------
    InvalidRequest
        It cannot be read, names no study or no instance, or says something else of an instance than the standard has.
    """
    with reading("the attribute list"):
        ds = decoded(encoded, transfer_syntax)
        study_uid = uid(ds, "StudyInstanceUID")
        references = [
            reference
            for series in items(ds, "ReferencedSeriesSequence")
            for reference in items(series, "ReferencedSOPSequence")
        ]
        if not references:
            raise InvalidRequest("ReferencedSeriesSequence names no instance", status=MISSING_ATTRIBUTE)
        available = []
        for reference in references:
            instance, availability = uid(reference, "ReferencedSOPInstanceUID"), word(reference, "InstanceAvailability")
            if availability not in AVAILABLE | NOT_AVAILABLE:
                raise InvalidRequest("InstanceAvailability has an unknown value", status=INVALID_VALUE)
            if availability in AVAILABLE:
                available.append(instance)
        return Availability(study_uid=study_uid, available=tuple(dict.fromkeys(available)))
