"""The queue of jobs: made once per identity, claimed by one worker at a time, ended once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from node.config import Jobs, Priority
from node.db import JobState, read, write
from node.db.dialect import insert_new
from node.db.events import Event, record
from node.db.tables import delivery, instance, job, job_instance, result, revision, revision_instance
from node.jobs.errors import NotInRevision
from node.jobs.identity import job_identity
from node.jobs.leases import (
    JOB,
    Attempted,
    claim_rows,
    command,
    end,
    expire,
    give_up_or_wait,
    nobody,
    release,
    renew,
)
from node.jobs.records import Job, NewResult, Planned, Result
from node.jobs.states import State, Step
from node.studies.records import Revision, StoredInstance, inputs_digest

RANK: Final = {Priority.STAT: 0, Priority.ROUTINE: 1, Priority.SHADOW: 2}
WITH_REVISION: Final = sa.select(
    job, revision.c.study_uid.label("study_uid"), revision.c.number.label("revision_number")
).join_from(job, revision)


def create_jobs(
    connection: sa.Connection,
    of: Revision,
    planned: Sequence[Planned],
    *,
    now: datetime,
    policy: Jobs,
    complete: bool = True,
) -> tuple[int, ...]:
    """Put a revision's jobs into the queue and mark it as routed, in the caller's writing transaction.

    Parameters
    ----------
    connection
        A writing transaction.
    of
        The revision that was routed.
    planned
        What its routes want; none is fine too.
    now
        Time of creation.
    policy
        `Settings.jobs`; its `aging_s` is what one priority is worth.
    complete
        False: more jobs follow after looks or priors, and the revision is not marked as routed yet.

    Returns
    -------
    tuple of int
        The ids of new jobs. A job that exists already, because its own inputs did not change, is not made again.

    Raises
    ------
    NotInRevision
        A plan names an instance that the revision does not hold.
    """
    pairs = _pairs(connection, of)
    new = tuple(key for plan in planned if (key := _create(connection, (of, pairs), plan, now, policy)) is not None)
    if complete:
        connection.execute(revision.update().where(revision.c.id == of.id).values(routed_at=now))
    record(
        connection,
        [
            Event(at=now, who="scheduler", what="job.created", kind="job", key=key, details={"revision": of.id})
            for key in new
        ]
        + [
            Event(
                at=now,
                who="scheduler",
                what="revision.routed" if complete else "revision.partly_routed",
                kind="revision",
                key=of.id,
                details={"planned": len(planned), "new": len(new)},
            )
        ],
    )
    return new


def add_job(
    connection: sa.Connection, of: Revision, plan: Planned, *, who: str, now: datetime, policy: Jobs
) -> tuple[int, bool]:
    """Put one job on a routed revision into the queue, because somebody asked for it, in the caller's transaction.

    Returns
    -------
    tuple of int and bool
        Its id, and whether it is new.

    Raises
    ------
    NotInRevision
        The plan names an instance that the revision does not hold.
    """
    pairs = _pairs(connection, of)
    key = _create(connection, (of, pairs), plan, now, policy)
    if key is None:
        identity = _identity(plan, pairs)
        return connection.execute(sa.select(job.c.id).where(job.c.identity == identity)).scalar_one(), False
    record(connection, [Event(at=now, who=who, what="job.created", kind="job", key=key, details={"revision": of.id})])
    return key, True


def _pairs(connection: sa.Connection, of: Revision) -> dict[int, tuple[str, str]]:
    """SOP Instance UID and digest of a revision's instances."""
    return {
        row.id: (row.sop_instance_uid, row.sha256)
        for row in connection.execute(
            sa.select(instance.c.id, instance.c.sop_instance_uid, instance.c.sha256)
            .join_from(revision_instance, instance)
            .where(revision_instance.c.revision_id == of.id)
        )
    }


def _identity(plan: Planned, pairs: dict[int, tuple[str, str]]) -> str:
    return job_identity(
        inputs_digest=inputs_digest(pairs[key] for key in set(plan.instance_ids)),
        package_digest=plan.package_digest,
        route_digest=plan.route_digest,
    )


def _create(
    connection: sa.Connection,
    of: tuple[Revision, dict[int, tuple[str, str]]],
    plan: Planned,
    now: datetime,
    policy: Jobs,
) -> int | None:
    rev, pairs = of
    outside = set(plan.instance_ids) - pairs.keys()
    if outside:
        raise NotInRevision(f"route {plan.route!r} selected {len(outside)} instances outside revision {rev.number}")
    values = {
        "identity": _identity(plan, pairs),
        "revision_id": rev.id,
        "route": plan.route,
        "task": plan.task,
        "package_digest": plan.package_digest,
        "mode": plan.mode,
        "priority": plan.priority,
        "send_to": list(plan.send_to),
        "state": JobState.READY,
        "turn_at": now + timedelta(seconds=RANK[plan.priority] * policy.aging_s),
        "claims": 0,
        "attempt": 0,
        "not_before": now,
        "created_at": now,
    }
    key = insert_new(connection, job, values, ("identity",))
    if key is not None and plan.instance_ids:
        rows = [{"job_id": key, "instance_id": each} for each in sorted(set(plan.instance_ids))]
        connection.execute(job_instance.insert(), rows)
    return key


def claim(engine: sa.Engine, owner: str, now: datetime, *, policy: Jobs, limit: int = 1) -> tuple[Job, ...]:
    """Lease the jobs whose turn it is: `stat` before `routine` before `shadow`, then by age.

    A job that has waited `aging_s` longer than another counts as one priority higher, so nothing starves.

    Parameters
    ----------
    engine
        The database.
    owner
        Who claims: `owner_name(role)`.
    now
        Time of the claim; the first claim's time stays with the job as `claimed_first_at`.
    policy
        `Settings.jobs`.
    limit
        Most jobs to lease.
    """
    candidates = (
        sa.select(job.c.id)
        .where(job.c.state == JobState.READY, job.c.not_before <= now)
        .order_by(job.c.turn_at, job.c.id)
        .limit(limit)
    )
    with write(engine) as connection:
        ids = claim_rows(connection, JOB, candidates, (owner, now, now + timedelta(seconds=policy.lease_s)))
        if not ids:
            return ()
        connection.execute(
            job.update().where(job.c.id.in_(ids), job.c.claimed_first_at.is_(None)).values(claimed_first_at=now)
        )
        found = connection.execute(WITH_REVISION.where(job.c.id.in_(ids)).order_by(job.c.turn_at, job.c.id))
        return tuple(as_job(row) for row in found)


def heartbeat(engine: sa.Engine, held: Job, now: datetime, *, policy: Jobs) -> bool:
    """Keep a lease; False when it is lost or the job was cancelled: stop working then."""
    with write(engine) as connection:
        return renew(connection, JOB, held, now + timedelta(seconds=policy.lease_s))


def _everything(_destination: str, _role: str) -> bool:
    return True


def finish(
    engine: sa.Engine,
    held: Job,
    results: Sequence[NewResult],
    destinations: Sequence[str],
    now: datetime,
    *,
    takes: Callable[[str, str], bool] = _everything,
) -> None:
    """End a job as done, with its results and their deliveries, in one transaction.

    Parameters
    ----------
    engine
        The database.
    held
        The job as `claim` gave it.
    results
        Result objects whose files are written and synced.
    destinations
        Names of peers. Empty in shadow mode.
    now
        Time of the end.
    takes
        Whether a result of a role is sent to a peer (`Settings.takes`).

    Raises
    ------
    LeaseLost
        The lease is no longer ours; nothing was changed.
    """
    with write(engine) as connection:
        end(connection, JOB, held, Step.FINISH, {"finished_at": now, "error": None, "error_code": None})
        for one in results:
            _add_result(connection, held, one, [each for each in destinations if takes(each, one.role)], now)
        done = Event(
            at=now,
            who=held.lease_owner or "",
            what="job.finished",
            kind="job",
            key=held.id,
            details={"results": len(results)},
        )
        record(connection, [done])


def _add_result(
    connection: sa.Connection, held: Job, one: NewResult, destinations: Sequence[str], now: datetime
) -> None:
    values = {name: getattr(one, name) for name in NewResult.__dataclass_fields__}
    key = connection.execute(
        result.insert().values(**values, job_id=held.id, created_at=now).returning(result.c.id)
    ).scalar_one()
    rows = [
        {
            "result_id": key,
            "destination": destination,
            "state": "ready",
            "claims": 0,
            "attempt": 0,
            "not_before": now,
            "created_at": now,
        }
        for destination in dict.fromkeys(destinations)
    ]
    if rows:
        connection.execute(delivery.insert(), rows)


def fail(engine: sa.Engine, held: Job, why: tuple[str, str], *, retryable: bool, now: datetime, policy: Jobs) -> State:
    """End an attempt that failed: try again later where that can help and attempts are left, else a dead letter.

    Parameters
    ----------
    engine
        The database.
    held
        The job as `claim` gave it.
    why
        The error's code, and its reason in words without patient data.
    retryable
        Whether another attempt may succeed.
    now
        Time of the failure.
    policy
        `Settings.jobs`.

    Returns
    -------
    State
        READY, to be tried again, or FAILED.

    Raises
    ------
    LeaseLost
        The lease is no longer ours; nothing was changed.
    """
    with write(engine) as connection:
        return give_up_or_wait(connection, JOB, held, why, Attempted(now=now, retryable=retryable, policy=policy))


def cancel(engine: sa.Engine, key: int, *, who: str, now: datetime) -> None:
    """Cancel a job that waits or runs; a running one's worker finds out at its next heartbeat.

    Raises
    ------
    NotFound, NotAllowed
        No such job, or it has ended.
    """
    with write(engine) as connection:
        command(connection, JOB, key, Step.CANCEL, (who, now), {"finished_at": now})


def retry(engine: sa.Engine, key: int, *, who: str, now: datetime) -> None:
    """Put a failed or cancelled job back into the queue, with all its attempts ahead.

    Raises
    ------
    NotFound, NotAllowed
        No such job, or it is not failed or cancelled.
    """
    with write(engine) as connection:
        retry_within(connection, key, who=who, now=now)


def retry_within(connection: sa.Connection, key: int, *, who: str, now: datetime) -> None:
    """`retry` in the caller's writing transaction."""
    fresh: dict[str, object] = {
        "attempt": 0, "claims": 0, "not_before": now, "finished_at": None, "error": None, "error_code": None,
    }  # fmt: skip
    command(connection, JOB, key, Step.RETRY, (who, now), fresh)


def expire_leases(engine: sa.Engine, now: datetime, *, policy: Jobs, gone: Callable[[str], bool] = nobody) -> int:
    """Give back jobs whose worker sends no heartbeat or is gone; how many there were."""
    with write(engine) as connection:
        return expire(connection, JOB, now, policy, gone)


def release_leases(engine: sa.Engine, gone: Callable[[str], bool], now: datetime, *, policy: Jobs) -> int:
    """Give back jobs held by processes that are gone (`owners.is_gone`), at the node's start; how many there were."""
    with write(engine) as connection:
        return release(connection, JOB, gone, now, policy)


def inputs_of(engine: sa.Engine, key: int) -> tuple[StoredInstance, ...]:
    """The instances that a job works on, by series and time of arrival."""
    with read(engine) as connection:
        found = connection.execute(
            sa.select(instance)
            .join_from(job_instance, instance)
            .where(job_instance.c.job_id == key)
            .order_by(instance.c.series_uid, instance.c.received_at, instance.c.id)
        )
        return tuple(StoredInstance.of(row) for row in found)


def predecessor_results(engine: sa.Engine, of: Job, instance_id: int) -> tuple[Result, ...]:
    """The results that a job's results on one of its images replace.

    They are those of the same route and task on the same image, of the last revision before that has any: a revision
    has a job for each image, and the reports of the others stand.
    """
    earlier = (
        sa.select(job.c.id)
        .join_from(job, revision)
        .join(job_instance, job_instance.c.job_id == job.c.id)
        .where(
            job_instance.c.instance_id == instance_id,
            revision.c.study_uid == of.study_uid,
            revision.c.number < of.revision_number,
            job.c.route == of.route,
            job.c.task == of.task,
            job.c.state == JobState.DONE,
        )
        .order_by(revision.c.number.desc(), job.c.id.desc())
        .limit(1)
    )
    with read(engine) as connection:
        key = connection.execute(earlier).scalar_one_or_none()
        return () if key is None else results_in(connection, [key])


def results_in(connection: sa.Connection, jobs: Iterable[int]) -> tuple[Result, ...]:
    """The results of some jobs, by id."""
    found = connection.execute(sa.select(result).where(result.c.job_id.in_(list(jobs))).order_by(result.c.id))
    return tuple(Result(**row._mapping) for row in found)


def as_job(row: sa.Row[*tuple[object, ...]]) -> Job:
    """A row of `WITH_REVISION` as plain data."""
    values = {name: row._mapping[name] for name in Job.__dataclass_fields__}
    return Job(**{**values, "send_to": tuple(values["send_to"])})
