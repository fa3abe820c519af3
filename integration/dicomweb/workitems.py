"""Work items (Unified Procedure Steps) as UPS-RS clients send them: DICOM JSON, checked, and what it asks for.

References
----------
DICOM PS3.18 11 (Worklist Service), PS3.18 Annex F (DICOM JSON Model), PS3.4 CC.2.5 (attributes, final states), PS3.3
C.30 (modules of the Unified Procedure Step), PS3.3 Table 10-3b (Referenced Instances and Access).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.valuerep import DT

from integration.retrieval import is_uid

DicomJson: TypeAlias = "dict[str, object]"

SCHEDULED: Final = "SCHEDULED"
IN_PROGRESS: Final = "IN PROGRESS"
COMPLETED: Final = "COMPLETED"
CANCELED: Final = "CANCELED"
UPS_PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"  # of every work item, whichever service made it (PS3.4 CC.3.1)
TASKS: Final = "99ECHOCARE"  # scheme of codes that name a task of this node
TASK: Final = "TASK"  # code, of the same scheme, of a processing parameter that names a task

_PRIORITIES: Final = ("HIGH", "MEDIUM", "LOW")
_READINESS: Final = ("READY", "INCOMPLETE", "UNAVAILABLE")
_NEEDED: Final = (  # type 1 of N-CREATE
    "ScheduledProcedureStepPriority", "ProcedureStepLabel", "ScheduledProcedureStepStartDateTime",
    "InputReadinessState", "ProcedureStepState",
)  # fmt: skip
_MAY_BE_EMPTY: Final = (  # type 2 of N-CREATE
    "WorklistLabel", "ScheduledProcessingParametersSequence", "ScheduledStationNameCodeSequence",
    "ScheduledStationClassCodeSequence", "ScheduledStationGeographicLocationCodeSequence",
    "ScheduledWorkitemCodeSequence", "CommentsOnTheScheduledProcedureStep", "InputInformationSequence", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "AdmissionID", "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence", "ReferencedRequestSequence", "ProcedureStepProgressInformationSequence",
    "UnifiedProcedureStepPerformedProcedureSequence",
)  # fmt: skip
_EMPTY_AT_FIRST: Final = (
    "TransactionUID", "ProcedureStepProgressInformationSequence", "UnifiedProcedureStepPerformedProcedureSequence",
)  # fmt: skip
_NEVER_UPDATED: Final = (  # "not allowed" in N-SET
    "SOPClassUID", "SOPInstanceUID", "ProcedureStepState", "ScheduledProcedureStepModificationDateTime",
    "StudyInstanceUID", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "AdmissionID", "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "ReferencedRequestSequence",
    "ReplacedProcedureStepSequence",
)  # fmt: skip
_AFFECTED_INSTANCE: Final = 0x00001000
_PERFORMED: Final = (  # final state code P, below UnifiedProcedureStepPerformedProcedureSequence
    "PerformedStationNameCodeSequence", "PerformedProcedureStepStartDateTime", "PerformedWorkitemCodeSequence",
    "PerformedProcedureStepEndDateTime",
)  # fmt: skip
_STOPPED: Final = (  # final state code X, below ProcedureStepProgressInformationSequence
    "ProcedureStepCancellationDateTime", "ProcedureStepDiscontinuationReasonCodeSequence",
)  # fmt: skip


class WorkitemInvalid(Exception):
    """A request that cannot be used; the message says why, without values of attributes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewWorkitem:
    """A work item that is to be created."""

    uid: str | None  # None: the server gives it one
    content: Dataset
    modified: bool  # something was filled in that the client left out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkitemChanges:
    """Attributes that are to take the place of a work item's, sequences whole."""

    content: Dataset
    transaction_uid: str  # of the payload; empty where it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRequest:
    """A change of state that is asked for."""

    state: str  # IN PROGRESS, COMPLETED or CANCELED
    transaction_uid: str  # empty where it is missing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CancelRequest:
    """Somebody who does not perform a work item asks that it be cancelled."""

    reason: str = ""
    codes: tuple[Dataset, ...] = ()  # proposed discontinuation reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a work item is to be done on."""

    study: str  # empty where none is named
    series: frozenset[str]  # whole series; with `instances` also empty: the whole study
    instances: frozenset[str]
    retrieve_from: tuple[str, ...] = ()  # AE titles of which it is said that they have them
    services: tuple[str, ...] = ()  # WADO-RS addresses likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a work item asks for, as far as its performer cares."""

    tasks: tuple[str, ...]  # that it names in this node's own scheme
    inputs: tuple[Inputs, ...]  # one a study
    stations: frozenset[str]  # codes of the stations that it is scheduled for; empty: anybody
    priority: str  # HIGH, MEDIUM or LOW
    ready: bool  # its inputs are said to be available


def read_new(body: bytes, uid: str | None) -> NewWorkitem:
    """A request to create a work item.

    Parameters
    ----------
    body
        The payload.
    uid
        The work item's UID where the query names it.

    Raises
    ------
    WorkitemInvalid
        It is no data set, or does not meet the requirements of N-CREATE.
    """
    ds = _data_set(body)
    named = str(ds.get("SOPInstanceUID") or "") or None
    if _AFFECTED_INSTANCE in ds or (uid and named and uid != named):
        raise WorkitemInvalid("the UID of the work item belongs into the query, or into SOPInstanceUID, once")
    found = uid or named
    if found is not None and not is_uid(found):
        raise WorkitemInvalid("the UID of the work item is no UID")
    absent = [keyword for keyword in _NEEDED if not ds.get(keyword)]
    if absent:
        raise WorkitemInvalid(f"these attributes need a value: {', '.join(absent)}")
    if ds.ProcedureStepState != SCHEDULED:
        raise WorkitemInvalid(f"ProcedureStepState of a new work item is {SCHEDULED}")
    filled = [keyword for keyword in _EMPTY_AT_FIRST if ds.get(keyword)]
    if filled:
        raise WorkitemInvalid(f"these attributes of a new work item are empty: {', '.join(filled)}")
    _check_words(ds)
    left_out = [keyword for keyword in _MAY_BE_EMPTY if keyword not in ds]
    for keyword in left_out:
        setattr(ds, keyword, [] if dictionary_VR(keyword) == "SQ" else None)
    if "TransactionUID" in ds:
        del ds.TransactionUID
    return NewWorkitem(uid=found, content=ds, modified=bool(left_out) or not ds.WorklistLabel)


def read_changes(body: bytes) -> WorkitemChanges:
    """A request to update a work item.

    Raises
    ------
    WorkitemInvalid
        It is no data set, or sets what N-SET may not.
    """
    ds = _data_set(body)
    transaction = str(ds.get("TransactionUID") or "")
    if "TransactionUID" in ds:
        del ds.TransactionUID
    refused = [keyword for keyword in _NEVER_UPDATED if keyword in ds]
    if refused:
        raise WorkitemInvalid(f"these attributes cannot be updated: {', '.join(refused)}")
    emptied = [keyword for keyword in _NEEDED if keyword in ds and not ds.get(keyword)]
    if emptied:
        raise WorkitemInvalid(f"these attributes need a value: {', '.join(emptied)}")
    _check_words(ds)
    return WorkitemChanges(content=ds, transaction_uid=transaction)


def read_state(body: bytes) -> StateRequest:
    """A request to change the state.

    Raises
    ------
    WorkitemInvalid
        It is no data set, or names no state that can be asked for.
    """
    ds = _data_set(body)
    state = str(ds.get("ProcedureStepState") or "")
    if state not in (SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED):
        raise WorkitemInvalid(f"ProcedureStepState is one of {IN_PROGRESS}, {COMPLETED}, {CANCELED}")
    transaction = str(ds.get("TransactionUID") or "")
    if transaction and not is_uid(transaction):
        raise WorkitemInvalid("TransactionUID is no UID")
    return StateRequest(state=state, transaction_uid=transaction)


def read_cancel(body: bytes) -> CancelRequest:
    """A request for cancellation; an empty one gives no reason.

    Raises
    ------
    WorkitemInvalid
        It is no data set.
    """
    if not body.strip():
        return CancelRequest()
    ds = _data_set(body)
    codes = ds.get("ProcedureStepDiscontinuationReasonCodeSequence") or ()
    return CancelRequest(reason=str(ds.get("ReasonForCancellation") or ""), codes=tuple(codes))


def assignment_of(content: Dataset) -> Assignment:
    """What a work item asks for.

    A task is named by a processing parameter, a text item of concept (TASK, 99ECHOCARE), or by a workitem code of the
    scheme 99ECHOCARE; a name of more than 16 characters stands in LongCodeValue.
    """
    parameters = [
        str(item.get("TextValue") or "") or _code(next(iter(item.get("ConceptCodeSequence") or ()), Dataset()))[0]
        for item in content.get("ScheduledProcessingParametersSequence") or ()
        if any(_code(name) == (TASK, TASKS) for name in item.get("ConceptNameCodeSequence") or ())
    ]
    codes = [_code(item) for item in content.get("ScheduledWorkitemCodeSequence") or ()]
    tasks = parameters or [value for value, scheme in codes if scheme == TASKS]
    stations = [_code(item)[0] for item in content.get("ScheduledStationNameCodeSequence") or ()]
    return Assignment(
        tasks=tuple(dict.fromkeys(filter(None, tasks))),
        inputs=_inputs_of(content),
        stations=frozenset(filter(None, stations)),
        priority=str(content.get("ScheduledProcedureStepPriority") or "LOW"),
        ready=content.get("InputReadinessState") == "READY",
    )


def starts_at(content: Dataset) -> datetime:
    """When a work item is to be started, in UTC; a time without offset is one of this machine's zone.

    Raises
    ------
    WorkitemInvalid
        The time cannot be read.
    """
    try:
        said = DT(str(content.ScheduledProcedureStepStartDateTime))
    except (ValueError, TypeError, AttributeError) as fault:
        raise WorkitemInvalid("ScheduledProcedureStepStartDateTime is no time") from fault
    if not isinstance(said, datetime):
        raise WorkitemInvalid("ScheduledProcedureStepStartDateTime is no time")
    return datetime.fromtimestamp(said.timestamp(), UTC)


def missing_for(state: str, content: Dataset) -> tuple[str, ...]:
    """The attributes without which a work item cannot be COMPLETED or CANCELED (PS3.4 Table CC.2.5-3, P and X)."""
    if state == COMPLETED:
        done = _first(content, "UnifiedProcedureStepPerformedProcedureSequence")
        missing = [keyword for keyword in _PERFORMED if not done.get(keyword)]
        # An empty one says that nothing came of it.
        return tuple(missing if "OutputInformationSequence" in done else [*missing, "OutputInformationSequence"])
    progress = _first(content, "ProcedureStepProgressInformationSequence")
    return tuple(keyword for keyword in _STOPPED if not progress.get(keyword))


def _data_set(body: bytes) -> Dataset:
    try:
        found = json.loads(body)
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(found, dict) or not found:
            raise WorkitemInvalid("the payload is one data set in the DICOM JSON model")
        ds = Dataset.from_json(found)
        ds.to_json_dict()  # values that are not of their representation show here
    except WorkitemInvalid:
        raise
    except Exception as fault:  # pydicom raises errors of many kinds on JSON that is no data set
        raise WorkitemInvalid(f"the payload is no data set in the DICOM JSON model ({type(fault).__name__})") from fault
    return ds


def _check_words(ds: Dataset) -> None:
    for keyword, words in (("ScheduledProcedureStepPriority", _PRIORITIES), ("InputReadinessState", _READINESS)):
        if keyword in ds and ds.get(keyword) not in words:
            raise WorkitemInvalid(f"{keyword} is one of {', '.join(words)}")
    if "ScheduledProcedureStepStartDateTime" in ds:
        starts_at(ds)
    named = {uid for each in _inputs_of(ds) for uid in (each.study, *each.series, *each.instances) if uid}
    if not all(map(is_uid, named)):
        raise WorkitemInvalid("InputInformationSequence names a study, series or instance by what is no UID")


def _inputs_of(content: Dataset) -> tuple[Inputs, ...]:
    """One a study; a study that stands beside the inputs counts where they name none."""
    series: dict[str, set[str]] = {}
    instances: dict[str, set[str]] = {}
    above = str(content.get("StudyInstanceUID") or "")
    whole: set[str] = set()
    titles: dict[str, dict[str, None]] = {}
    urls: dict[str, dict[str, None]] = {}
    for item in content.get("InputInformationSequence") or ():
        study = str(item.get("StudyInstanceUID") or above)
        titles.setdefault(study, {}).update(dict.fromkeys(_said(item, "DICOMRetrievalSequence", "RetrieveAETitle")))
        urls.setdefault(study, {}).update(dict.fromkeys(_said(item, "WADORSRetrievalSequence", "RetrieveURL")))
        named = {str(each.get("ReferencedSOPInstanceUID") or "") for each in item.get("ReferencedSOPSequence") or ()}
        if named - {""}:
            instances.setdefault(study, set()).update(named - {""})
        elif item.get("SeriesInstanceUID"):
            series.setdefault(study, set()).add(str(item.SeriesInstanceUID))
        else:
            whole.add(study)
    studies = dict.fromkeys([*series, *instances, *sorted(whole)]) or {above: None}
    return tuple(
        Inputs(
            study=study,
            series=frozenset() if study in whole else frozenset(series.get(study, ())),
            instances=frozenset() if study in whole else frozenset(instances.get(study, ())),
            retrieve_from=tuple(titles.get(study, ())),
            services=tuple(urls.get(study, ())),
        )
        for study in studies
    )


def _said(item: Dataset, sequence: str, keyword: str) -> list[str]:
    """The values of an attribute over the items of a sequence."""
    found: list[str] = []
    for each in item.get(sequence) or ():
        value = each.get(keyword)
        several = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
        found += [str(one).strip() for one in several if one]
    return found


def _code(item: Dataset) -> tuple[str, str]:
    """Value and scheme of a code."""
    value = str(item.get("CodeValue") or item.get("LongCodeValue") or "")
    return value, str(item.get("CodingSchemeDesignator") or "")


def _first(content: Dataset, keyword: str) -> Dataset:
    found: Iterable[Dataset] = content.get(keyword) or ()
    return next(iter(found), Dataset())


def tag_of(keyword: str) -> str:
    """The key of an attribute in the DICOM JSON model: eight hexadecimal digits."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is no keyword of DICOM's dictionary")
    return f"{tag:08X}"
