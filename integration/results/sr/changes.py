"""What a report of a later revision says otherwise than the reports that it replaces.

References
----------
DICOM PS3.3 C.17.2 (Predecessor Documents Sequence), PS3.16 TID 1500 (measurement groups).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from integration.results import codes
from integration.results.request import ResultRequest

Statements: TypeAlias = dict[tuple[str, str], str]
"""What is measured or judged (group's tracking identifier, concept), and the value in words."""

_GROUP: Final = "125007"  # Measurement Group
_IDENTIFIER: Final = "112039"  # Tracking Identifier
_REVISION: Final = re.compile(r"revision (\d+)$")  # as the contributing equipment of every result says


def added(request: ResultRequest) -> tuple[str, ...]:
    """Sentences about an image that has come after the revision before."""
    return (
        f"First result of this task on this image, added by revision {request.revision_number} of the examination; "
        "what earlier revisions say of other images stands.",
    )


def what_changed(request: ResultRequest, roots: Sequence[Dataset]) -> tuple[str, ...]:
    """Sentences about the reports that these replace.

    Parameters
    ----------
    request
        With the files of its predecessor.
    roots
        Of all reports by TID 1500 that the request gives.

    Returns
    -------
    tuple of str
        That these replace others, and every value that is new, gone or changed.
    """
    earlier = [ds for path in request.predecessor_files if (ds := _report(path, request)) is not None]
    if not earlier:
        return ("This replaces the result of an earlier revision, whose report is not there any more.",)
    number = next((found for ds in earlier if (found := _revision(ds)) is not None), None)
    which = "an earlier revision" if number is None else f"revision {number}"
    differences = tuple(_differences(_all(earlier), _all(roots)))
    if not differences:
        return (f"This replaces the result of {which}; no number and no answer has changed.",)
    return (f"This replaces the result of {which}.", *differences)


def _differences(before: Statements, now: Statements) -> Iterator[str]:
    for key, value in now.items():
        thing, concept = key
        if key not in before:
            yield f"New, {thing}: {concept} {value}."
        elif before[key] != value:
            yield f"Changed, {thing}: {concept} from {before[key]} to {value}."
    for (thing, concept), value in before.items():
        if (thing, concept) not in now:
            yield f"No longer said, {thing}: {concept}, which was {value}."


def _all(roots: Iterable[Dataset]) -> Statements:
    said: Statements = {}
    for root in roots:
        said.update(_statements(root))
    return said


def _statements(item: Dataset) -> Iterator[tuple[tuple[str, str], str]]:
    for child in item.get("ContentSequence", ()):
        if _concept(child) == _GROUP:
            thing = next((part.TextValue for part in child.ContentSequence if _concept(part) == _IDENTIFIER), "")
            for part in child.ContentSequence:
                value = _value(part)
                if value is not None:
                    yield (thing, part.ConceptNameCodeSequence[0].CodeMeaning), value
        else:
            yield from _statements(child)


def _value(item: Dataset) -> str | None:
    """A number with its unit, or a coded answer; None of all else."""
    if item.get("RelationshipType") != "CONTAINS":
        return None
    if item.ValueType == "NUM" and item.get("MeasuredValueSequence"):
        measured = item.MeasuredValueSequence[0]
        unit = measured.MeasurementUnitsCodeSequence[0].CodeValue.strip("{}")
        return f"{measured.NumericValue:g} {unit}".removesuffix(" 1")
    if item.ValueType == "CODE" and _concept(item) != codes.FINDING.value:
        return str(item.ConceptCodeSequence[0].CodeMeaning)
    return None


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


def _report(path: Path, request: ResultRequest) -> Dataset | None:
    """The report in a file, if it is one about the same image."""
    try:
        ds = dcmread(path, stop_before_pixels=True)
    except (OSError, InvalidDicomError):
        return None
    if ds.get("Modality") != "SR":
        return None
    images = {
        str(item.ReferencedSOPInstanceUID)
        for study in ds.get("CurrentRequestedProcedureEvidenceSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    return ds if str(request.header.SOPInstanceUID) in images else None


def _revision(ds: Dataset) -> int | None:
    for equipment in ds.get("ContributingEquipmentSequence", ()):
        if found := _REVISION.search(str(equipment.get("ContributionDescription") or "")):
            return int(found[1])
    return None
