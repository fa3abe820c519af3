"""Work items as clients write them."""

from __future__ import annotations

import json
from typing import Any

from pydicom import Dataset

TRANSACTION = "1.2.826.77.1"
OTHER_TRANSACTION = "1.2.826.77.2"


def code(value: str, scheme: str = "99ECHOCARE", meaning: str = "meaning") -> Dataset:
    ds = Dataset()
    if len(value) > 16:
        ds.LongCodeValue = value
    else:
        ds.CodeValue = value
    ds.CodingSchemeDesignator, ds.CodeMeaning = scheme, meaning
    return ds


def item(study: str = "1.2.3", task: str | None = "fetal-head", **changes: Any) -> Dataset:
    """A complete new work item on a whole study; None takes an attribute away."""
    ds = Dataset()
    ds.ProcedureStepState = "SCHEDULED"
    ds.ScheduledProcedureStepPriority = "MEDIUM"
    ds.ProcedureStepLabel = "Measure the fetal head"
    ds.WorklistLabel = "AI"
    ds.ScheduledProcedureStepStartDateTime = "20260101120000+0000"
    ds.InputReadinessState = "READY"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Müller^Änne", "PHANTOM-0001", "", ""
    ds.AdmissionID, ds.AdmittingDiagnosesDescription, ds.CommentsOnTheScheduledProcedureStep = "", "", ""
    for keyword in (
        "ScheduledProcessingParametersSequence",
        "ScheduledStationNameCodeSequence",
        "ScheduledStationClassCodeSequence",
        "ScheduledStationGeographicLocationCodeSequence",
        "AdmittingDiagnosesCodeSequence",
        "ReferencedRequestSequence",
        "ProcedureStepProgressInformationSequence",
        "UnifiedProcedureStepPerformedProcedureSequence",
    ):
        setattr(ds, keyword, [])
    ds.ScheduledWorkitemCodeSequence = [] if task is None else [code(task)]
    ds.StudyInstanceUID = study
    ds.InputInformationSequence = [inputs(study)]
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def inputs(study: str, series: str | None = None, *instances: str) -> Dataset:
    ds = Dataset()
    ds.TypeOfInstances = "DICOM"
    ds.StudyInstanceUID = study
    if series is not None:
        ds.SeriesInstanceUID = series
    ds.ReferencedSOPSequence = []
    for uid in instances:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", uid
        ds.ReferencedSOPSequence.append(reference)
    return ds


def parameter(task: str) -> Dataset:
    """A processing parameter that names a task."""
    ds = Dataset()
    ds.ValueType, ds.TextValue = "TEXT", task
    ds.ConceptNameCodeSequence = [code("TASK")]
    return ds


def performed() -> Dataset:
    """An update with what a work item needs before it can be COMPLETED."""
    step = Dataset()
    step.PerformedStationNameCodeSequence = [code("OTHER", "99SITE")]
    step.PerformedProcedureStepStartDateTime = "20260101120000"
    step.PerformedProcedureStepEndDateTime = "20260101120500"
    step.PerformedWorkitemCodeSequence = [code("110004", "DCM", "Computer Aided Detection")]
    step.OutputInformationSequence = []
    ds = Dataset()
    ds.UnifiedProcedureStepPerformedProcedureSequence = [step]
    return ds


def stopped() -> Dataset:
    """An update with what a work item needs before it can be CANCELED."""
    progress = Dataset()
    progress.ProcedureStepCancellationDateTime = "20260101120500"
    progress.ProcedureStepDiscontinuationReasonCodeSequence = [code("110513", "DCM", "Discontinued")]
    ds = Dataset()
    ds.ProcedureStepProgressInformationSequence = [progress]
    return ds


def state(wanted: str, transaction: str | None = TRANSACTION) -> Dataset:
    ds = Dataset()
    ds.ProcedureStepState = wanted
    if transaction is not None:
        ds.TransactionUID = transaction
    return ds


def encoded(ds: Dataset) -> bytes:
    return json.dumps(ds.to_json_dict()).encode()
