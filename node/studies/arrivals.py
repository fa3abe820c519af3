"""What an arriving instance does to its study.

A new instance opens the study, or opens it again. The same bytes once more change nothing. Other bytes under a UID
that the study has already are kept and flagged, and no job sees them: the first content stays the one in use.

A study of which all came because it was asked for as a prior is not opened. Whatever else comes of it, the same bytes
included, makes it a study like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from node.db import StudyState
from node.db.dialect import insert_new, lock_row
from node.db.events import Event, record
from node.db.tables import instance, revision, study
from node.studies.priors import comes_as_prior, release_prior, tell_released
from node.studies.records import Arrival, Arrived


def arrive(connection: sa.Connection, arrival: Arrival, *, quiet_s: float, now: datetime) -> Arrived:
    """Put one filed instance into the index, in the caller's writing transaction.

    The order of arrivals does not matter, and neither does repeating one.

    Parameters
    ----------
    connection
        A writing transaction.
    arrival
        The file's facts.
    quiet_s
        Seconds without a new instance after which an exam is complete.
    now
        A time of receipt in the future, from a clock that was set back, counts as this.
    """
    lock_row(connection, arrival.study_uid)
    known = connection.execute(
        sa.select(instance.c.sha256, instance.c.study_uid).where(
            instance.c.sop_instance_uid == arrival.sop_instance_uid
        )
    ).all()
    received_at = min(arrival.received_at, now)
    quiet_until = received_at + timedelta(seconds=quiet_s)
    if any(row.sha256 == arrival.sha256 for row in known):
        _stay_open(connection, arrival, (received_at, quiet_until), now)
        _tell(connection, arrival, "instance.sent_again", now)
        return Arrived.SAME
    replaced = any(row.study_uid == arrival.study_uid for row in known)
    if replaced:
        _stay_open(connection, arrival, (received_at, quiet_until), now)
    else:
        _open(connection, arrival, (received_at, quiet_until), now)
    _insert(connection, arrival, received_at, conflict=replaced)
    _tell(connection, arrival, "instance.received", now)
    if known:
        # The UID's bytes differ, here or in another study: nothing that names this UID is certain any more.
        _flag(connection, arrival.study_uid)
        _tell(connection, arrival, "instance.conflict", now)
    return Arrived.CONFLICT if replaced else Arrived.NEW


def _open(connection: sa.Connection, arrival: Arrival, times: tuple[datetime, datetime], now: datetime) -> None:
    uid, (received_at, quiet_until) = arrival.study_uid, times
    row = connection.execute(sa.select(study).where(study.c.uid == uid).with_for_update()).one_or_none()
    as_prior = (row is None or row.prior) and comes_as_prior(connection, uid, arrival.calling_ae, received_at)
    state = StudyState.CLOSED if as_prior else StudyState.OPEN
    if row is None:
        connection.execute(
            study.insert().values(
                uid=uid,
                state=state,
                first_received_at=received_at,
                last_received_at=received_at,
                quiet_until=quiet_until,
                conflict=False,
                prior=as_prior,
            )
        )
        what = "study.came_as_prior" if as_prior else "study.opened"
        record(connection, [Event(at=now, who="scheduler", what=what, kind="study", key=uid)])
        return
    changes: dict[str, object] = {
        "state": state,
        "prior": as_prior,
        "first_received_at": min(row.first_received_at, received_at),
        "last_received_at": max(row.last_received_at, received_at),
        "quiet_until": max(row.quiet_until, quiet_until),
    }
    if row.signal_at is not None and received_at > row.signal_at:
        # Whoever said that the exam is complete was mistaken; from now on only the quiet timer is believed.
        changes |= {"signal": None, "signal_at": None}
    connection.execute(study.update().where(study.c.uid == uid).values(**changes))
    if row.prior and not as_prior:
        tell_released(connection, uid, now)
    elif row.state == StudyState.CLOSED and not as_prior:
        record(connection, [Event(at=now, who="scheduler", what="study.reopened", kind="study", key=uid)])


def _stay_open(connection: sa.Connection, arrival: Arrival, times: tuple[datetime, datetime], now: datetime) -> None:
    """Wait longer where the study is open: its sender is still at work."""
    uid, (received_at, quiet_until) = arrival.study_uid, times
    row = connection.execute(sa.select(study.c.prior).where(study.c.uid == uid).with_for_update()).one_or_none()
    if row is not None and row.prior:
        if not comes_as_prior(connection, uid, arrival.calling_ae, received_at):
            release_prior(connection, uid, quiet_until, now)
        return
    connection.execute(
        study.update()
        .where(study.c.uid == uid, study.c.state == StudyState.OPEN, study.c.quiet_until < quiet_until)
        .values(quiet_until=quiet_until)
    )


def _insert(connection: sa.Connection, arrival: Arrival, received_at: datetime, *, conflict: bool) -> None:
    values = {name: getattr(arrival, name) for name in Arrival.__dataclass_fields__}
    values |= {"received_at": received_at, "conflict": conflict}
    insert_new(connection, instance, values, ("sop_instance_uid", "sha256"))


def _flag(connection: sa.Connection, uid: str) -> None:
    connection.execute(study.update().where(study.c.uid == uid).values(conflict=True))
    last = sa.select(sa.func.max(revision.c.number)).where(revision.c.study_uid == uid).scalar_subquery()
    connection.execute(
        revision.update().where(revision.c.study_uid == uid, revision.c.number == last).values(conflict=True)
    )


def _tell(connection: sa.Connection, arrival: Arrival, what: str, now: datetime) -> None:
    details: dict[str, str | int | None] = {"sha256": arrival.sha256, "calling_ae": arrival.calling_ae}
    event = Event(at=now, who="scheduler", what=what, kind="instance", key=arrival.sop_instance_uid, details=details)
    record(connection, [event])
