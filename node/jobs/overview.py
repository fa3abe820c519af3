"""What is where, and why: the questions that `status`, `jobs list` and `deliveries list` ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from node.db import DeliveryState, JobState, PriorState, Signal, StudyState
from node.db.tables import delivery, event, instance, job, prior, prior_search, result, revision, study
from node.jobs.deliveries import WITH_RESULT, as_delivery
from node.jobs.queue import WITH_REVISION, as_job, results_in
from node.jobs.records import Delivery, Job, Result
from node.studies.records import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOverview:
    """One study in one line."""

    uid: str
    state: StudyState
    instances: int  # used ones; conflicting contents under a known UID are counted apart
    conflicts: int
    prior: bool  # it was fetched for another study, and no rule sees it
    revisions: int
    closed_by: Signal | None  # of the last revision
    first_received_at: datetime
    last_received_at: datetime
    quiet_until: datetime
    jobs: Mapping[JobState, int]
    deliveries: Mapping[DeliveryState, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """An older study of the same patient that a route asked for."""

    study_uid: str
    source: str  # name of the peer
    state: PriorState
    reason: str | None  # why it is not here, or not whole


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDetail:
    """One study with everything that hangs on it."""

    overview: StudyOverview
    revisions: tuple[Revision, ...]
    jobs: tuple[Job, ...]
    results: tuple[Result, ...]
    deliveries: tuple[Delivery, ...]
    priors: tuple[Prior, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much of everything there is."""

    instances: int
    studies: Mapping[StudyState, int]
    jobs: Mapping[JobState, int]
    deliveries: Mapping[str, Mapping[DeliveryState, int]]  # by destination
    oldest_ready_job_at: datetime | None
    unrouted_revisions: int


def studies_overview(
    connection: sa.Connection, *, limit: int = 50, uid: str | None = None
) -> tuple[StudyOverview, ...]:
    """Studies, the one that changed last first.

    Parameters
    ----------
    connection
        A reading transaction.
    limit
        Most studies.
    uid
        Only this study.
    """
    wanted = sa.select(study).order_by(study.c.last_received_at.desc(), study.c.uid).limit(limit)
    rows = connection.execute(wanted if uid is None else wanted.where(study.c.uid == uid)).all()
    uids = [row.uid for row in rows]
    used = _pairs(connection, instance.c.study_uid, ~instance.c.conflict, uids)
    conflicts = _pairs(connection, instance.c.study_uid, instance.c.conflict, uids)
    jobs = _by_state(connection, sa.select(revision.c.study_uid, job.c.state).join_from(job, revision), uids)
    sent = sa.select(revision.c.study_uid, delivery.c.state).select_from(
        delivery.join(result).join(job, result.c.job_id == job.c.id).join(revision)
    )
    deliveries = _by_state(connection, sent, uids)
    last: dict[str, tuple[int, Signal]] = {
        row.study_uid: (row.number, row.closed_by)
        for row in connection.execute(
            sa.select(revision).where(revision.c.study_uid.in_(uids)).order_by(revision.c.number)
        )
    }
    return tuple(
        StudyOverview(
            uid=row.uid,
            state=row.state,
            instances=used.get(row.uid, 0),
            conflicts=conflicts.get(row.uid, 0),
            prior=row.prior,
            revisions=last[row.uid][0] if row.uid in last else 0,
            closed_by=last[row.uid][1] if row.uid in last else None,
            first_received_at=row.first_received_at,
            last_received_at=row.last_received_at,
            quiet_until=row.quiet_until,
            jobs={JobState(state): count for state, count in jobs.get(row.uid, {}).items()},
            deliveries={DeliveryState(state): count for state, count in deliveries.get(row.uid, {}).items()},
        )
        for row in rows
    )


def study_detail(connection: sa.Connection, uid: str) -> StudyDetail | None:
    """One study with its revisions, jobs, results and deliveries; None where it is not known."""
    overview = studies_overview(connection, uid=uid)
    if not overview:
        return None
    revisions = connection.execute(sa.select(revision).where(revision.c.study_uid == uid).order_by(revision.c.number))
    jobs = list_jobs(connection, study_uid=uid)
    results = results_in(connection, [each.id for each in jobs])
    return StudyDetail(
        overview=overview[0],
        revisions=tuple(Revision.of(row) for row in revisions),
        jobs=jobs,
        results=results,
        deliveries=list_deliveries(connection, jobs=tuple(each.id for each in jobs)),
        priors=priors_of(connection, uid),
    )


def priors_of(connection: sa.Connection, uid: str) -> tuple[Prior, ...]:
    """The priors that routes asked for, of one study; their instances are in the index."""
    found = connection.execute(
        sa.select(prior.c.study_uid, prior_search.c.source, prior.c.state, prior.c.reason)
        .join_from(prior, prior_search)
        .where(prior_search.c.study_uid == uid)
        .order_by(prior.c.id)
    )
    return tuple(Prior(**row._mapping) for row in found)


def list_jobs(
    connection: sa.Connection, *, state: JobState | None = None, study_uid: str | None = None, limit: int = 1000
) -> tuple[Job, ...]:
    """Jobs, newest first."""
    wanted = WITH_REVISION.order_by(job.c.id.desc()).limit(limit)
    if state is not None:
        wanted = wanted.where(job.c.state == state)
    if study_uid is not None:
        wanted = wanted.where(revision.c.study_uid == study_uid)
    return tuple(as_job(row) for row in connection.execute(wanted))


def list_deliveries(
    connection: sa.Connection,
    *,
    state: DeliveryState | None = None,
    destination: str | None = None,
    jobs: tuple[int, ...] | None = None,
    limit: int = 1000,
) -> tuple[Delivery, ...]:
    """Deliveries, newest first."""
    wanted = WITH_RESULT.order_by(delivery.c.id.desc()).limit(limit)
    if state is not None:
        wanted = wanted.where(delivery.c.state == state)
    if destination is not None:
        wanted = wanted.where(delivery.c.destination == destination)
    if jobs is not None:
        wanted = wanted.where(result.c.job_id.in_(jobs))
    return tuple(as_delivery(row) for row in connection.execute(wanted))


def counts(connection: sa.Connection) -> Counts:
    """Totals, for `status` without a study and for health checks."""
    destinations: dict[str, dict[DeliveryState, int]] = {}
    for destination, state, number in connection.execute(
        sa.select(delivery.c.destination, delivery.c.state, sa.func.count()).group_by(
            delivery.c.destination, delivery.c.state
        )
    ):
        destinations.setdefault(destination, {})[state] = number
    return Counts(
        instances=connection.execute(sa.select(sa.func.count()).select_from(instance)).scalar_one(),
        studies=_states(connection, study),
        jobs=_states(connection, job),
        deliveries=destinations,
        oldest_ready_job_at=connection.execute(
            sa.select(sa.func.min(job.c.created_at)).where(job.c.state == JobState.READY)
        ).scalar_one(),
        unrouted_revisions=connection.execute(
            sa.select(sa.func.count()).select_from(revision).where(revision.c.routed_at.is_(None))
        ).scalar_one(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """One line of the audit trail as it was read."""

    at: datetime
    who: str
    what: str
    kind: str
    key: str
    details: Mapping[str, str | int | None]


def list_events(
    connection: sa.Connection, *, kind: str | None = None, key: str | int | None = None, limit: int = 1000
) -> tuple[PastEvent, ...]:
    """The newest events, oldest of them first."""
    wanted = sa.select(event).order_by(event.c.id.desc()).limit(limit)
    if kind is not None:
        wanted = wanted.where(event.c.object_kind == kind)
    if key is not None:
        wanted = wanted.where(event.c.object_key == str(key))
    rows = connection.execute(wanted).all()
    return tuple(
        PastEvent(at=row.at, who=row.who, what=row.what, kind=row.object_kind, key=row.object_key, details=row.details)
        for row in reversed(rows)
    )


def _states(connection: sa.Connection, table: sa.Table) -> dict[Any, int]:
    found = connection.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state))
    return {row[0]: row[1] for row in found}


def _pairs(
    connection: sa.Connection, by: sa.Column[str], condition: sa.ColumnElement[bool], uids: list[str]
) -> dict[str, int]:
    found = connection.execute(sa.select(by, sa.func.count()).where(by.in_(uids), condition).group_by(by))
    return {row[0]: row[1] for row in found}


def _by_state(connection: sa.Connection, wanted: sa.Select[str, str], uids: list[str]) -> dict[str, dict[str, int]]:
    columns = wanted.selected_columns
    found: dict[str, dict[str, int]] = {}
    grouped = wanted.where(columns.study_uid.in_(uids)).add_columns(sa.func.count()).group_by(*columns)
    for uid, state, count in connection.execute(grouped):
        found.setdefault(uid, {})[state] = count
    return found
