"""Work items in the database: created, read, searched, updated, claimed and ended, each in one transaction.

References
----------
DICOM PS3.4 CC.2 (what the provider of the service does).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from pydicom import Dataset

from integration.dicomweb.matching import Query, matches
from integration.dicomweb.performed import UNSPECIFIED, set_stopped, time_of
from integration.dicomweb.workitems import (
    UPS_PUSH,
    CancelRequest,
    DicomJson,
    NewWorkitem,
    StateRequest,
    WorkitemChanges,
    assignment_of,
    missing_for,
    starts_at,
    tag_of,
)
from node.config import Workitems
from node.db import WorkitemState, read, write
from node.db.dialect import lock_row
from node.db.events import Event, record
from node.db.tables import workitem
from node.workitems.errors import TooManyWorkitems, WorkitemGone, WorkitemRefused, WorkitemUnknown
from node.workitems.jobs import all_ended, cancel_jobs
from node.workitems.states import Said, judge_cancel, judge_change, judge_update

OPEN: Final = (WorkitemState.SCHEDULED, WorkitemState.IN_PROGRESS)
ENDED: Final = (WorkitemState.COMPLETED, WorkitemState.CANCELED)
CLIENT: Final = "ups-rs"  # who, in events
_STATE: Final = tag_of("ProcedureStepState")

_WORDS: Final = {
    Said.DUPLICATE: "there is such a work item already",
    Said.NO_LONGER_UPDATED: "the work item has ended and is not changed any more",
    Said.WRONG_TRANSACTION: "the Transaction UID is not that of the work item's performer",
    Said.ALREADY_IN_PROGRESS: "the work item is in progress already",
    Said.ONLY_BY_CREATION: "a work item is SCHEDULED when it is created, and never again",
    Said.NOT_IN_PROGRESS: "the work item is not in progress: claim it first",
    Said.COMPLETED_BEFORE: "the work item is completed",
    Said.UNREACHABLE: "another performer has claimed the work item, and cannot be told",
    Said.WILL_NOT: "all results of the work item are made",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found."""

    items: tuple[DicomJson, ...]
    more: bool  # there are more than one answer holds


def create(engine: sa.Engine, new: NewWorkitem, now: datetime, *, policy: Workitems, label: str) -> str:
    """Take a work item into the worklist.

    Parameters
    ----------
    engine
        The database.
    new
        The work item.
    now
        The time.
    policy
        `Settings.workitems`.
    label
        WorklistLabel where the client gives none.

    Returns
    -------
    str
        Its UID.

    Raises
    ------
    WorkitemRefused
        Its UID is taken.
    TooManyWorkitems
        As many are open as may be.
    """
    uid = new.uid or f"2.25.{uuid.uuid4().int}"
    content = new.content
    content.SOPClassUID, content.SOPInstanceUID = UPS_PUSH, uid
    content.WorklistLabel = content.WorklistLabel or label
    content.ScheduledProcedureStepModificationDateTime = time_of(now)
    values = {
        "uid": uid,
        "state": WorkitemState.SCHEDULED,
        "ours": False,
        "created_at": now,
        "changed_at": now,
        **_columns_of(content),
    }
    with write(engine) as connection:
        lock_row(connection, uid)
        if connection.execute(sa.select(workitem.c.uid).where(workitem.c.uid == uid)).first() is not None:
            raise WorkitemRefused(_WORDS[Said.DUPLICATE], Said.DUPLICATE)
        count = connection.execute(
            sa.select(sa.func.count()).select_from(workitem).where(workitem.c.state.in_(OPEN))
        ).scalar_one()
        if count >= policy.most_open:
            raise TooManyWorkitems(f"{count} work items are open (workitems.most_open): complete or cancel some first")
        connection.execute(workitem.insert().values(**values))
        tell(connection, uid, "created", CLIENT, now)
    return uid


def retrieve(engine: sa.Engine, uid: str) -> DicomJson:
    """The attributes of a work item, without its Transaction UID.

    Raises
    ------
    WorkitemUnknown, WorkitemGone
        There is none, or none any more.
    """
    with read(engine) as connection:
        row = connection.execute(sa.select(workitem).where(workitem.c.uid == uid)).one_or_none()
    content: DicomJson = _there(row).content
    return content


def search(engine: sa.Engine, query: Query) -> Found:
    """The work items that match, oldest first."""
    wanted = sa.select(workitem.c.content).where(workitem.c.content.is_not(sa.null()))
    state = query.value_of(_STATE)
    if state in set(WorkitemState):
        wanted = wanted.where(workitem.c.state == WorkitemState(state))
    found: list[DicomJson] = []
    last = query.offset + query.limit
    with read(engine) as connection:
        rows = connection.execute(wanted.order_by(workitem.c.created_at, workitem.c.uid)).scalars()
        for content in _matching(rows, query):
            found.append(content)
            if len(found) > last:
                break
    return Found(items=tuple(found[query.offset : last]), more=len(found) > last)


def update(engine: sa.Engine, uid: str, changes: WorkitemChanges, transaction_uid: str, now: datetime) -> None:
    """Let attributes take the place of a work item's.

    Raises
    ------
    WorkitemUnknown, WorkitemGone, WorkitemRefused
        Nothing was changed.
    """
    with write(engine) as connection:
        row = locked(connection, uid)
        accept(judge_update(row.state, row.transaction_uid, transaction_uid))
        content = Dataset.from_json(row.content)
        content.update(changes.content)
        again = {}
        if row.state is WorkitemState.SCHEDULED:
            content.ScheduledProcedureStepModificationDateTime = time_of(now)
            again = {"judged_at": None}  # the node looks at it once more; no clocks of two processes are compared
        values = {"changed_at": now, **again, **_columns_of(content)}
        connection.execute(workitem.update().where(workitem.c.uid == uid).values(**values))
        tell(connection, uid, "updated", CLIENT, now)


def change_state(engine: sa.Engine, uid: str, request: StateRequest, now: datetime) -> Said:
    """Claim, complete or cancel a work item for its performer.

    Returns
    -------
    Said
        DONE, or that it was in that state already.

    Raises
    ------
    WorkitemUnknown, WorkitemGone, WorkitemRefused
        Nothing was changed.
    """
    asked = WorkitemState(request.state)
    with write(engine) as connection:
        row = locked(connection, uid)
        content = Dataset.from_json(row.content)
        missing = missing_for(asked, content) if asked in ENDED else ()
        said = judge_change(row.state, row.transaction_uid, asked, request.transaction_uid, is_final=not missing)
        if said is Said.NOT_FINAL:
            raise WorkitemRefused(f"before it is {asked} these attributes need a value: {', '.join(missing)}", said)
        accept(said)
        if said is Said.DONE:
            claim = {"transaction_uid": request.transaction_uid, "claimed_at": now}
            enter(connection, uid, asked, content, now, columns=claim if asked is WorkitemState.IN_PROGRESS else {})
    return said


def request_cancel(engine: sa.Engine, uid: str, request: CancelRequest, now: datetime) -> Said:
    """Cancel a work item because somebody asks who does not perform it.

    One that waits is cancelled; one that this node does is cancelled with its jobs unless its results are all made; one
    that another performer has claimed is left alone.

    Returns
    -------
    Said
        DONE, or that it was cancelled already.

    Raises
    ------
    WorkitemUnknown, WorkitemGone, WorkitemRefused
        Nothing was changed.
    """
    with write(engine) as connection:
        row = locked(connection, uid)
        made = row.planned_at is not None and all_ended(connection, uid)
        said = accept(judge_cancel(row.state, ours=row.ours, results_made=made))
        if said is Said.DONE:
            words = request.reason or "somebody asked for it and gave no reason"
            if row.state is WorkitemState.IN_PROGRESS:
                words = f"{words} ({cancel_jobs(connection, uid, CLIENT, now)})"
            content = Dataset.from_json(row.content)
            set_stopped(content, now, request.codes or UNSPECIFIED, words)
            if row.state is WorkitemState.SCHEDULED:
                # As PS3.4 CC.2.2.3 has it: first in progress, then cancelled.
                enter(connection, uid, WorkitemState.IN_PROGRESS, content, now, who=CLIENT)
            enter(connection, uid, WorkitemState.CANCELED, content, now, who=CLIENT)
    return said


def drop_old(engine: sa.Engine, now: datetime, *, keep_s: float) -> int:
    """Delete the attributes of work items that ended long ago; their UIDs stay known as gone. How many there were."""
    old = (workitem.c.ended_at < now - timedelta(seconds=keep_s), workitem.c.content.is_not(sa.null()))
    with read(engine) as connection:
        if connection.execute(sa.select(workitem.c.uid).where(*old).limit(1)).first() is None:
            return 0
    with write(engine) as connection:
        return connection.execute(workitem.update().where(*old).values(content=sa.null())).rowcount


def locked(connection: sa.Connection, uid: str) -> sa.Row[*tuple[Any, ...]]:
    """A work item's row, for this transaction alone.

    Raises
    ------
    WorkitemUnknown, WorkitemGone
        There is none, or none any more.
    """
    return _there(connection.execute(sa.select(workitem).where(workitem.c.uid == uid).with_for_update()).one_or_none())


def enter(
    connection: sa.Connection,
    uid: str,
    state: WorkitemState,
    content: Dataset,
    now: datetime,
    *,
    who: str = CLIENT,
    columns: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write a work item's new state, in the columns and in its attributes."""
    content.ProcedureStepState = str(state)
    ended = {"ended_at": now} if state in ENDED else {}
    values = {"state": state, "content": content.to_json_dict(), "changed_at": now, **ended, **columns}
    connection.execute(workitem.update().where(workitem.c.uid == uid).values(**values))
    tell(connection, uid, str(state).lower().replace(" ", "_"), who, now)


def tell(connection: sa.Connection, uid: str, what: str, who: str, now: datetime) -> None:
    """Add a line to the audit trail."""
    record(connection, [Event(at=now, who=who, what=f"workitem.{what}", kind="workitem", key=uid)])


def accept(said: Said) -> Said:
    """Pass on what is no refusal.

    Raises
    ------
    WorkitemRefused
        It is one.
    """
    if said.is_refusal:
        raise WorkitemRefused(_WORDS[said], said)
    return said


def _columns_of(content: Dataset) -> dict[str, object]:
    """The attributes, and what of them stands in columns too."""
    studies = {each.study for each in assignment_of(content).inputs}
    study = next(iter(studies)) if len(studies) == 1 else ""
    return {"content": content.to_json_dict(), "study_uid": study or None, "starts_at": starts_at(content)}


def _matching(rows: Iterator[DicomJson], query: Query) -> Iterator[DicomJson]:
    return (content for content in rows if matches(query, content))


def _there(row: sa.Row[*tuple[Any, ...]] | None) -> sa.Row[*tuple[Any, ...]]:
    if row is None:
        raise WorkitemUnknown("there is no such work item; check its UID")
    if row.content is None:
        raise WorkitemGone("the work item had ended, and was deleted after workitems.keep_s")
    return row
