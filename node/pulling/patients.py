"""Whose a study is, as its files say: what a prior has to agree with.

References
----------
DICOM PS3.3 C.2.2 (Patient Identification), C.7.2.1 (General Study).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from pydicom import Dataset, dcmread

from node.db.tables import instance

_READ: Final = ("SpecificCharacterSet", "PatientID", "IssuerOfPatientID", "StudyDate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose an instance is, and of which day; empty where it does not say."""

    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)  # Issuer of Patient ID
    study_date: str  # DA

    def is_same_patient(self, other: Subject) -> bool:
        """Whether the Patient IDs are equal, and their issuers where both are named."""
        named = bool(self.issuer and other.issuer)
        return self.patient_id == other.patient_id != "" and (not named or self.issuer == other.issuer)


def subjects_of(connection: sa.Connection, root: Path, study_uid: str) -> frozenset[Subject]:
    """What the used instances of a study say; empty where there are none.

    Parameters
    ----------
    connection
        A transaction.
    root
        Of the archive.
    study_uid
        The study.
    """
    paths = connection.execute(
        sa.select(instance.c.path).where(instance.c.study_uid == study_uid, ~instance.c.conflict)
    ).scalars()
    return frozenset(_subject(root / path) for path in paths)


def _subject(path: Path) -> Subject:
    try:
        ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_READ))
        patient_id, issuer, day = (_text(ds, keyword) for keyword in _READ[1:])
    except Exception:  # pydicom raises whatever the bytes lead to; then it does not say whose it is  # noqa: BLE001
        return Subject(patient_id="", issuer="", study_date="")
    return Subject(patient_id=patient_id, issuer=issuer, study_date=day)


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    if isinstance(value, str) or value is None:
        return (value or "").strip()
    return "\\".join(str(each) for each in value)  # several, where there may be one
