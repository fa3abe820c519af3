"""From what is asked for on a command line to matching keys.

References
----------
DICOM PS3.4 C.2.2.2 (matching), C.6.2.1 (keys of the Study Root model).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from integration.retrieval import Wanted
from node.pulling.errors import BadQuery

SERIES_KEYS: Final = frozenset(
    {
        "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined",
        "ProtocolName", "Laterality", "StationName", "Manufacturer", "ManufacturerModelName", "InstitutionName",
        "OperatorsName", "PerformingPhysicianName", "PerformedProcedureStepStartDate",
        "PerformedProcedureStepDescription",
    }
)  # fmt: skip
INSTANCE_KEYS: Final = frozenset({"SOPInstanceUID", "SOPClassUID", "InstanceNumber", "NumberOfFrames", "ContentDate"})
_DAY: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which studies; what is empty is not asked."""

    patient_id: str = ""
    studies: tuple[str, ...] = ()  # Study Instance UIDs
    accession: str = ""
    days: str = ""  # FROM..TO or one day, as YYYY-MM-DD or YYYYMMDD
    modalities: tuple[str, ...] = ()  # of the series that are fetched
    where: Mapping[str, str] = field(default_factory=dict)  # further keys by DICOM keyword


def queries(asked: Asked) -> list[Wanted]:
    """The queries whose matches together are what is asked for.

    Raises
    ------
    BadQuery
        A key cannot be asked for, or nothing is asked that tells one study from another.
    """
    study = {"PatientID": asked.patient_id, "AccessionNumber": asked.accession, "StudyDate": _days(asked.days)}
    series: dict[str, str] = {}
    for keyword, value in asked.where.items():
        _check(keyword, value)
        (series if keyword in SERIES_KEYS else study)[keyword] = value
    study = {keyword: value for keyword, value in study.items() if value}
    if not any(value.strip("*") for value in study.values()) and not asked.studies:
        raise BadQuery(
            "nothing says which studies: give --patient-id, --study-uid, --accession, --date or --where KEYWORD=VALUE"
        )
    return [
        Wanted(
            study={
                **study,
                **({"StudyInstanceUID": uid} if uid else {}),
                **({"ModalitiesInStudy": modality} if modality else {}),
            },
            series=series,
            modalities=frozenset(asked.modalities),
        )
        for uid in asked.studies or ("",)
        for modality in asked.modalities or ("",)
    ]


def _check(keyword: str, value: str) -> None:
    if tag_for_keyword(keyword) is None:
        raise BadQuery(f"{keyword} is no keyword of a DICOM attribute; it is like StudyDescription")
    if dictionary_VR(keyword) in ("SQ", "OB", "OW", "UN", "AT"):
        raise BadQuery(f"{keyword} holds nothing that can be asked for by a word")
    if keyword in INSTANCE_KEYS or keyword in ("Modality", "ModalitiesInStudy"):
        how = "; use --modality" if keyword.startswith("Modalit") else ""
        raise BadQuery(f"{keyword} cannot be asked for: studies and series are asked{how}")
    if not value:
        raise BadQuery(f"{keyword} is asked for without a value: KEYWORD=VALUE")


def _days(words: str) -> str:
    """FROM..TO as a range of DA (PS3.4 C.2.2.2.5.1)."""
    if not words:
        return ""
    first, dots, last = words.partition("..")
    days = [_day(word) if word else "" for word in ((first, last) if dots else (first,))]
    if not any(days) or (all(days) and days != sorted(days)):
        raise BadQuery(f"{words} is no range of days: it is like 2026-03-01..2026-03-31, 2026-03-01.. or 2026-03-01")
    return "-".join(days)


def _day(word: str) -> str:
    found = _DAY.fullmatch(word)
    if found is None:
        raise BadQuery(f"{word} is no day: it is like 2026-03-31")
    return "".join(found.groups())
