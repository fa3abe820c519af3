"""Believing an exam complete: signals, the quiet timer, and the revisions that follow.

Every signal is only a belief. What arrives after it opens the study again, and the next closing makes the next
revision, unless the set of instances is still the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from node.db import Signal, StudyState, read, write
from node.db.dialect import lock_row
from node.db.events import Event, record
from node.db.tables import instance, revision, revision_instance, study
from node.studies.errors import StudyUnknown
from node.studies.priors import release_prior
from node.studies.records import Revision, StoredInstance, inputs_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A study that we believe complete, and why."""

    study_uid: str
    signal: Signal


def signal_complete(connection: sa.Connection, study_uid: str, signal: Signal, at: datetime) -> bool:
    """Somebody says that an exam is complete; it is closed at the next look (`close_due`).

    Parameters
    ----------
    connection
        A writing transaction.
    study_uid
        The study.
    signal
        Who says so; a weaker signal does not take a stronger one's place.
    at
        When it was said: an instance received later refutes it.

    Returns
    -------
    bool
        False where the study is closed already.

    Raises
    ------
    StudyUnknown
        Nothing of the study was received.
    """
    lock_row(connection, study_uid)
    row = connection.execute(sa.select(study).where(study.c.uid == study_uid).with_for_update()).one_or_none()
    if row is None:
        raise StudyUnknown("nothing of that study was received; check its Study Instance UID")
    said = Event(
        at=at, who=str(signal), what="study.signalled", kind="study", key=study_uid, details={"signal": signal}
    )
    record(connection, [said])
    if signal is Signal.API and release_prior(connection, study_uid, at, at):
        return True  # somebody wants it looked at, and it is complete as it is
    if row.state == StudyState.CLOSED:
        return False
    if row.signal is None or signal.strength >= row.signal.strength:
        connection.execute(study.update().where(study.c.uid == study_uid).values(signal=signal, signal_at=at))
    return True


def due_studies(connection: sa.Connection, now: datetime, study_uid: str | None = None) -> tuple[Due, ...]:
    """The open studies that a signal or the quiet timer says are complete, longest waiting first.

    Parameters
    ----------
    connection
        A transaction.
    now
        The time.
    study_uid
        Ask for this study only.
    """
    wanted = (
        sa.select(study.c.uid, study.c.signal)
        .where(study.c.state == StudyState.OPEN, sa.or_(study.c.quiet_until <= now, study.c.signal.is_not(None)))
        .order_by(study.c.quiet_until, study.c.uid)
    )
    found = connection.execute(wanted if study_uid is None else wanted.where(study.c.uid == study_uid))
    return tuple(Due(study_uid=row.uid, signal=row.signal or Signal.QUIET) for row in found)


def next_quiet(connection: sa.Connection) -> datetime | None:
    """When the next quiet timer runs out; None where no study is open."""
    wanted = sa.select(sa.func.min(study.c.quiet_until)).where(study.c.state == StudyState.OPEN)
    found: datetime | None = connection.execute(wanted).scalar_one()
    return found


def close_study(connection: sa.Connection, study_uid: str, signal: Signal, now: datetime) -> Revision | None:
    """Close an open study, in the caller's writing transaction.

    Returns
    -------
    Revision or None
        The new revision; None where the study is not open, or its instances are those of the revision before.
    """
    lock_row(connection, study_uid)
    row = connection.execute(sa.select(study).where(study.c.uid == study_uid).with_for_update()).one_or_none()
    if row is None or row.state != StudyState.OPEN:
        return None
    used = connection.execute(
        sa.select(instance.c.id, instance.c.sop_instance_uid, instance.c.sha256)
        .where(instance.c.study_uid == study_uid, ~instance.c.conflict)
        .order_by(instance.c.id)
    ).all()
    digest = inputs_digest((each.sop_instance_uid, each.sha256) for each in used)
    last = connection.execute(
        sa.select(revision).where(revision.c.study_uid == study_uid).order_by(revision.c.number.desc()).limit(1)
    ).one_or_none()
    connection.execute(
        study.update().where(study.c.uid == study_uid).values(state=StudyState.CLOSED, signal=None, signal_at=None)
    )
    number = 1 if last is None else last.number + 1
    unchanged = last is not None and last.inputs_digest == digest
    closed = Event(
        at=now,
        who="scheduler",
        what="study.closed",
        kind="study",
        key=study_uid,
        details={"signal": signal, "instances": len(used), "revision": None if unchanged else number},
    )
    record(connection, [closed])
    if unchanged:
        return None
    values = {
        "study_uid": study_uid,
        "number": number,
        "inputs_digest": digest,
        "closed_by": signal,
        "closed_at": now,
        "conflict": row.conflict,
    }
    made = Revision.of(connection.execute(revision.insert().values(**values).returning(revision)).one())
    rows = [{"revision_id": made.id, "instance_id": each.id} for each in used]
    connection.execute(revision_instance.insert(), rows)
    return made


def close_due(engine: sa.Engine, now: datetime) -> tuple[Revision, ...]:
    """Close every study that is due, each in a transaction of its own; the new revisions.

    Call it after `index_incoming`, so that what was received before counts.
    """
    with read(engine) as connection:
        due = due_studies(connection, now)
    made = []
    for each in due:
        with write(engine) as connection:
            # Asked again inside the transaction: an instance may have come in between.
            for still in due_studies(connection, now, each.study_uid):
                made.append(close_study(connection, still.study_uid, still.signal, now))
    return tuple(revision for revision in made if revision is not None)


def unrouted_revisions(connection: sa.Connection) -> tuple[Revision, ...]:
    """Revisions whose jobs were not made yet, oldest first: new ones, and those that a kill left behind."""
    found = connection.execute(sa.select(revision).where(revision.c.routed_at.is_(None)).order_by(revision.c.id))
    return tuple(Revision.of(row) for row in found)


def instances_of(connection: sa.Connection, revision_id: int) -> tuple[StoredInstance, ...]:
    """The instances of a revision, by series and time of arrival."""
    found = connection.execute(
        sa.select(instance)
        .join_from(revision_instance, instance)
        .where(revision_instance.c.revision_id == revision_id)
        .order_by(instance.c.series_uid, instance.c.received_at, instance.c.id)
    )
    return tuple(StoredInstance.of(row) for row in found)
