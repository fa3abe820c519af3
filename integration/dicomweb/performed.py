"""What a performer writes into a work item: how far it is, what was done, what came of it, and why it was stopped.

References
----------
DICOM PS3.3 C.30.1 (progress), C.30.3 (performed procedure), Table 10-3b (Referenced Instances and Access), PS3.16 CID
9300 (Procedure Discontinuation Reason).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from integration.dicomweb.workitems import TASK, TASKS

# CID 9300, as pydicom's dictionary has it.
UNSPECIFIED: Final = DicomCode("110513", "DCM", "Discontinued for unspecified reason")
REJECTED: Final = DicomCode("110530", "DCM", "Workitem assignment rejected by assigned resource")
SET_INCOMPLETE: Final = DicomCode("110523", "DCM", "Object Set incomplete")
NOT_SUPPORTED: Final = DicomCode("110522", "DCM", "Object Types not supported")
BADLY_FORMATTED: Final = DicomCode("110521", "DCM", "Objects incorrectly formatted")
EQUIPMENT_FAILURE: Final = DicomCode("110501", "DCM", "Equipment failure")

MOST_WORDS: Final = 1024  # ST of the progress description; the reason is LT, and kept as short
MOST_CODE_VALUE: Final = 16  # SH
MOST_MEANING: Final = 64  # LO


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One result, and from where it can be had."""

    sop_class: str
    sop_instance: str
    study: str
    series: str
    retrieve_from: tuple[str, ...] = ()  # AE titles that accepted it
    services: tuple[str, ...] = ()  # roots of the DICOMweb services that accepted it


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What was done."""

    station: str  # AE title of the performer
    task: str
    package_digest: str
    began_at: datetime
    ended_at: datetime
    outputs: tuple[Output, ...]


def set_progress(content: Dataset, percent: int, words: str) -> None:
    """Say how far it is; what stands there beside, such as who can be asked, stays."""
    item = _progress(content)
    item.ProcedureStepProgress = str(percent)
    item.ProcedureStepProgressDescription = words[:MOST_WORDS]


def set_stopped(content: Dataset, at: datetime, code: DicomCode | Sequence[Dataset], words: str) -> None:
    """Say when and why it was cancelled, which a work item needs before it can be CANCELED."""
    item = _progress(content)
    item.ProcedureStepCancellationDateTime = time_of(at)
    item.ReasonForCancellation = words[:MOST_WORDS]
    codes = [code_item(code.value, code.scheme_designator, code.meaning)] if isinstance(code, DicomCode) else list(code)
    item.ProcedureStepDiscontinuationReasonCodeSequence = codes


def set_performed(content: Dataset, done: Performed) -> None:
    """Say what was done and what came of it, which a work item needs before it can be COMPLETED."""
    item = Dataset()
    item.PerformedStationNameCodeSequence = [code_item(done.station, TASKS, done.station)]
    item.PerformedStationClassCodeSequence = []
    item.PerformedStationGeographicLocationCodeSequence = []
    item.PerformedProcedureStepStartDateTime = time_of(done.began_at)
    item.PerformedProcedureStepEndDateTime = time_of(done.ended_at)
    item.PerformedWorkitemCodeSequence = [code_item(done.task, TASKS, done.task)]
    item.PerformedProcessingParametersSequence = [
        _text_item(code_item(TASK, TASKS, "Task"), done.task),
        _text_item(code_item("111003", "DCM", "Algorithm Version"), done.package_digest),
    ]
    item.OutputInformationSequence = _output_items(done.outputs)
    item.NonDICOMOutputCodeSequence = []
    content.UnifiedProcedureStepPerformedProcedureSequence = [item]


def time_of(moment: datetime) -> str:
    """A moment as DT, in UTC with its offset."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    if len(value) <= MOST_CODE_VALUE:
        item.CodeValue = value
    else:
        item.LongCodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning[:MOST_MEANING]
    return item


def _progress(content: Dataset) -> Dataset:
    found = content.get("ProcedureStepProgressInformationSequence")
    if not found:
        content.ProcedureStepProgressInformationSequence = [Dataset()]
    item: Dataset = content.ProcedureStepProgressInformationSequence[0]
    return item


def _text_item(concept: Dataset, text: str) -> Dataset:
    item = Dataset()
    item.ValueType = "TEXT"
    item.ConceptNameCodeSequence = [concept]
    item.TextValue = text
    return item


def _output_items(outputs: Iterable[Output]) -> list[Dataset]:
    """One item a series and ways to get it."""
    grouped: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[Output]] = {}
    for each in outputs:
        grouped.setdefault((each.study, each.series, each.retrieve_from, each.services), []).append(each)
    items = []
    for (study, series, titles, services), members in grouped.items():
        item = Dataset()
        item.TypeOfInstances = "DICOM"
        item.StudyInstanceUID, item.SeriesInstanceUID = study, series
        item.ReferencedSOPSequence = [_reference(each) for each in members]
        if titles:
            item.DICOMRetrievalSequence = [_with("RetrieveAETitle", title) for title in titles]
        if services:
            urls = [f"{root.rstrip('/')}/studies/{study}/series/{series}" for root in services]
            item.WADORSRetrievalSequence = [_with("RetrieveURL", url) for url in urls]
        items.append(item)
    return items


def _reference(output: Output) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = output.sop_class, output.sop_instance
    return item


def _with(keyword: str, value: str) -> Dataset:
    item = Dataset()
    setattr(item, keyword, value)
    return item
