"""What others say of an exam's completeness: steps of a modality, and announcements that name the instances.

An announcement is believed when every instance that it names is here; until then it waits, also where nothing of the
study has come yet. While a step of the study is in progress, no step of it makes the study complete.

References
----------
DICOM PS3.4 F.7 (Modality Performed Procedure Step), R (Instance Availability Notification), J (Storage Commitment).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from node.db import Signal, StepState, StudyState, read, write
from node.db.dialect import insert_new, lock_row
from node.db.events import Event, record
from node.db.tables import announcement, instance, performed_step, study
from node.studies.revisions import signal_complete

CHUNK: Final = 500  # UIDs in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Somebody names the instances of an exam that is complete."""

    signal: Signal
    source_uid: str  # of the step, the notification, or the transaction
    study_uid: str
    instances: tuple[str, ...]  # SOP Instance UIDs
    at: datetime


def announce(connection: sa.Connection, said: Announcement) -> bool:
    """Remember an announcement, in the caller's writing transaction; False where it was known already.

    One that names nothing is not remembered: it says nothing of what is still on its way.
    """
    if not said.instances:
        return False
    values = {
        "signal": said.signal, "source_uid": said.source_uid, "study_uid": said.study_uid,
        "instances": list(said.instances), "at": said.at,
    }  # fmt: skip
    if insert_new(connection, announcement, values, ("signal", "source_uid")) is None:
        return False
    details: dict[str, str | int | None] = {"signal": said.signal, "instances": len(said.instances)}
    record(
        connection,
        [
            Event(
                at=said.at, who=str(said.signal), what="study.announced", kind="study", key=said.study_uid,
                details=details,
            )
        ],
    )  # fmt: skip
    return True


def settle_announcements(engine: sa.Engine, now: datetime, *, keep_s: float) -> int:
    """Believe what announcements say whose instances are all here; how many there were.

    To be called after `index_incoming` and before `close_due`.

    Parameters
    ----------
    engine
        The database.
    now
        The time.
    keep_s
        Seconds after which an announcement, or a step in progress that nobody ends, is no longer heeded.
    """
    since = now - timedelta(seconds=keep_s)
    wanted = (
        sa.select(announcement)
        .where(
            announcement.c.settled_at.is_(None),
            announcement.c.at >= since,
            sa.exists().where(study.c.uid == announcement.c.study_uid),
        )
        .order_by(announcement.c.id)
    )
    with read(engine) as connection:
        waiting = connection.execute(wanted).all()
        here = [each for each in waiting if _is_here(connection, each.instances)]
    settled = 0
    for each in here:
        with write(engine) as connection:
            settled += _settle(connection, each, now, since)
    return settled


def _settle(connection: sa.Connection, said: sa.Row[*tuple[object, ...]], now: datetime, since: datetime) -> bool:
    lock_row(connection, said.study_uid)
    if said.signal == Signal.MPPS and said.study_uid in studies_in_progress(connection, [said.study_uid], since):
        return False
    changed = connection.execute(
        announcement.update()
        .where(announcement.c.id == said.id, announcement.c.settled_at.is_(None))
        .values(settled_at=now)
    )
    if changed.rowcount != 1:
        return False
    for uid in sorted(_studies_of(connection, said.instances)):
        # Said now, not when it was announced: what was received in between is part of what is complete.
        signal_complete(connection, uid, said.signal, now)
    return True


def studies_in_progress(connection: sa.Connection, uids: Iterable[str], since: datetime) -> frozenset[str]:
    """Those of the studies that a modality is still at work on, going by what it said since a time."""
    found = connection.execute(
        sa.select(performed_step.c.study_uid)
        .where(
            performed_step.c.study_uid.in_(list(uids)),
            performed_step.c.state == StepState.IN_PROGRESS,
            performed_step.c.changed_at >= since,
        )
        .distinct()
    )
    return frozenset(found.scalars())


def hold_open(connection: sa.Connection, study_uid: str, hold_s: float) -> None:
    """A step of the study has begun: where the study is open, let it wait longer for its next instance."""
    lock_row(connection, study_uid)
    row = connection.execute(sa.select(study).where(study.c.uid == study_uid).with_for_update()).one_or_none()
    if row is not None and row.state == StudyState.OPEN:
        _move_quiet(connection, study_uid, max(row.quiet_until, row.last_received_at + timedelta(seconds=hold_s)))


def let_go(connection: sa.Connection, study_uid: str, quiet_s: float, now: datetime) -> None:
    """The last step of the study has ended: the quiet timer begins, for images that are still on their way."""
    lock_row(connection, study_uid)
    row = connection.execute(sa.select(study).where(study.c.uid == study_uid).with_for_update()).one_or_none()
    if row is not None and row.state == StudyState.OPEN:
        _move_quiet(connection, study_uid, min(row.quiet_until, now + timedelta(seconds=quiet_s)))


def _move_quiet(connection: sa.Connection, study_uid: str, until: datetime) -> None:
    connection.execute(study.update().where(study.c.uid == study_uid).values(quiet_until=until))


def _is_here(connection: sa.Connection, uids: Sequence[str]) -> bool:
    return all(
        connection.execute(
            sa.select(sa.func.count(sa.distinct(instance.c.sop_instance_uid))).where(
                instance.c.sop_instance_uid.in_(chunk)
            )
        ).scalar_one()
        == len(chunk)
        for chunk in _chunks(uids)
    )


def _studies_of(connection: sa.Connection, uids: Sequence[str]) -> set[str]:
    return {
        uid
        for chunk in _chunks(uids)
        for uid in connection.execute(
            sa.select(instance.c.study_uid).where(instance.c.sop_instance_uid.in_(chunk)).distinct()
        ).scalars()
    }


def _chunks(uids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK))
