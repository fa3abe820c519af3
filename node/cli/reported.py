"""What a structured report says, read back from its file: the demo shows results, not what was meant to be in them.

References
----------
DICOM PS3.16 TID 1500, TID 1501, TID 1410.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydicom import Dataset

MEASUREMENT_GROUP: Final = "125007"  # DCM
COMMENT: Final = "121106"  # DCM


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One line of a report."""

    frame: int | None  # of the source, from 1; None where it is said of the whole instance
    name: str
    value: float | None = None
    unit: str = ""  # UCUM
    words: str = ""  # of an answer or a comment


def read_report(path: Path) -> tuple[Reported, ...]:
    """The measurements, answers and comments of a TID 1500 report."""
    from pydicom import dcmread

    groups = (item for item in _items(dcmread(path)) if _code(item) == MEASUREMENT_GROUP)
    return tuple(line for group in groups for line in _lines(group))


def _lines(group: Dataset) -> Iterator[Reported]:
    frame = next((found for item in _items(group) if (found := _frame(item)) is not None), None)
    for item in group.get("ContentSequence", ()):
        name = str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""
        if item.ValueType == "NUM" and item.get("MeasuredValueSequence"):
            measured = item.MeasuredValueSequence[0]
            unit = str(measured.MeasurementUnitsCodeSequence[0].CodeValue)
            yield Reported(frame=frame, name=name, value=float(measured.NumericValue), unit=unit)
        elif item.ValueType == "CODE" and item.get("RelationshipType") == "CONTAINS" and name not in _ABOUT:
            yield Reported(frame=frame, name=name, words=str(item.ConceptCodeSequence[0].CodeMeaning))
        elif item.ValueType == "TEXT" and _code(item) == COMMENT:
            yield Reported(frame=frame, name="Comment", words=str(item.TextValue))


_ABOUT: Final = frozenset({"Finding", "Finding category", "Finding Site"})


def _items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from _items(item)


def _code(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].get("CodeValue", "")) if names else ""


def _frame(item: Dataset) -> int | None:
    if item.get("ValueType") != "IMAGE":
        return None
    number = item.ReferencedSOPSequence[0].get("ReferencedFrameNumber")
    if number is None:
        return None
    return int(number if isinstance(number, (int, str)) else number[0])
