"""Whether all instances of a study are of one patient.

Decoded values are compared, so that the same name in two character sets is the same name. What is empty on one side
contradicts nothing, except a Patient ID: half a study without one may be anybody's.

References
----------
DICOM PS3.3 C.2.2 (Patient Identification), C.7.1.1 (Patient), C.7.2.1 (General Study); PS3.5 6.2.1 (person names).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread

from node.studies import StoredInstance
from node.worker.errors import PatientDisagreement

COMPARED: Final = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID")
EMPTY_COUNTS: Final = frozenset(("PatientID",))
REMEMBERED = 4096  # instances; a study's jobs follow each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who an instance says it is of; texts decoded and without padding."""

    PatientID: str
    IssuerOfPatientID: str
    PatientName: str
    PatientBirthDate: str
    StudyInstanceUID: str


class PatientCheck:
    """Compares the instances of a study; remembers what it read, by the instance's content."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._known: OrderedDict[str, Patient | None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, instances: Iterable[StoredInstance]) -> None:
        """Hold the instances of one study revision against each other.

        Raises
        ------
        PatientDisagreement
            Naming the attributes that differ, never their values.
        """
        patients = [found for each in instances if (found := self._patient(each)) is not None]
        differing = [keyword for keyword in COMPARED if _differ(keyword, patients)]
        if differing:
            raise PatientDisagreement(
                f"the study's {len(patients)} instances differ in {', '.join(differing)}: "
                "they may be of different patients; correct them at the source and send the study again"
            )

    def _patient(self, each: StoredInstance) -> Patient | None:
        with self._lock:
            if each.sha256 in self._known:
                self._known.move_to_end(each.sha256)
                return self._known[each.sha256]
        found = read_patient(self._archive / each.path)
        with self._lock:
            self._known[each.sha256] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found


def read_patient(path: Path) -> Patient | None:
    """Who a file says it is of; None where its header cannot be read, which says nothing about a patient."""
    try:
        ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SpecificCharacterSet", *COMPARED])
        return Patient(**{keyword: _text(ds, keyword) for keyword in COMPARED})
    except Exception:  # noqa: BLE001 - pydicom raises whatever the bytes lead to
        return None


def _differ(keyword: str, patients: list[Patient]) -> bool:
    values = {getattr(patient, keyword) for patient in patients}
    if keyword not in EMPTY_COUNTS:
        values.discard("")
    return len(values) > 1


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    if value is None:
        return ""
    if keyword == "PatientName":
        # Component groups are alphabetic, ideographic and phonetic; trailing empty components carry no meaning.
        groups = [group.strip().rstrip("^ ") for group in str(value).split("=")]
        return "=".join(groups).rstrip("=")
    return str(value).strip()
