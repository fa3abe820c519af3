"""Answers that people gave about an image, out of Structured Reports that came back to the archive.

Whether an answer is a person's word is said by the report: somebody verified it (Verification Flag), or its observer is
a person. What a node sent is unverified and a device's, and is no label. Only codes are taken; free text may hold a
name.

References
----------
DICOM PS3.3 C.17.2 (SR Document General); PS3.16 TID 1002 (Observer Context), TID 1500 (Measurement Report), TID 1501
(Measurement Group).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from pydicom import Dataset, dcmread

from trainer.data.corrections import FAULTS

REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."  # storage classes of Structured Reports begin so
GROUP: Final = "125007"  # DCM, Measurement Group
OBSERVER_TYPE: Final = "121005"  # DCM
PERSON: Final = "121006"  # DCM
UNREADABLE: Final = "report.unreadable: a structured report that cannot be read"

Answers: TypeAlias = dict[str, str]  # "DCM:121073" to "SCT:21594007"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """All answers by people that were found."""

    answers: dict[str, Answers] = field(default_factory=dict)  # by SOP Instance UID of the image
    left_out: dict[str, int] = field(default_factory=dict)  # reports that give none, by reason


def read_reports(folder: Path) -> Reported:
    """The coded answers by people in all reports below a folder; of two about one image the later one stands."""
    left_out: Counter[str] = Counter()
    told: list[tuple[str, dict[str, Answers]]] = []
    for path in sorted(folder.rglob("*.dcm")):
        try:
            if not str(dcmread(path, specific_tags=["SOPClassUID"]).get("SOPClassUID", "")).startswith(REPORTS):
                continue
            ds = dcmread(path)
            if by_somebody(ds):
                told.append((f"{ds.get('ContentDate', '')}{ds.get('ContentTime', '')}", _answers(ds)))
        except FAULTS:
            left_out[UNREADABLE] += 1
    found: dict[str, Answers] = {}
    for _, said in sorted(told, key=lambda pair: pair[0]):
        for uid, answers in said.items():
            found.setdefault(uid, {}).update(answers)
    return Reported(answers=found, left_out=dict(left_out))


def by_somebody(ds: Dataset) -> bool:
    """Whether a person stands for a report: verified it, or observed what it says."""
    if ds.get("VerificationFlag") == "VERIFIED":
        return True
    observers = [item for item in ds.get("ContentSequence", []) if concept_of(item) == OBSERVER_TYPE]
    return any(str(item.ConceptCodeSequence[0].CodeValue) == PERSON for item in observers)


def items_below(ds: Dataset) -> Iterator[Dataset]:
    """All content items below one, the nearer first."""
    for item in ds.get("ContentSequence", []):
        yield item
        yield from items_below(item)


def concept_of(item: Dataset) -> str:
    """Code value of a content item's name; empty where it has none."""
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names and "CodeValue" in names[0] else ""


def images_of(item: Dataset) -> set[str]:
    """SOP Instance UIDs of the images that stand below a content item."""
    return {
        str(each.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for each in items_below(item)
        if each.ValueType == "IMAGE"
    }


def _answers(ds: Dataset) -> dict[str, Answers]:
    said: dict[str, Answers] = {}
    for group in items_below(ds):
        if group.ValueType != "CONTAINER" or concept_of(group) != GROUP:
            continue
        answers = {
            _word(item.ConceptNameCodeSequence[0]): _word(item.ConceptCodeSequence[0])
            for item in group.get("ContentSequence", [])
            if item.get("RelationshipType") == "CONTAINS" and item.ValueType == "CODE"
        }
        for uid in images_of(group):
            said.setdefault(uid, {}).update(answers)
    return said


def _word(code: Dataset) -> str:
    return f"{code.CodingSchemeDesignator}:{code.CodeValue}"
