"""Looks: jobs that come before routing. They write no results; what they saw of an instance is what rules are told.

A look belongs to an instance's content and a task package: a later revision of the study, or a node that was killed
meanwhile, finds it there and does not repeat it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import sqlalchemy as sa

from node.config import Jobs, Priority
from node.db import JobState, write
from node.db.events import Event, record
from node.db.tables import job, job_instance, look, revision_instance
from node.jobs.leases import JOB, command, end
from node.jobs.records import Job, Planned
from node.jobs.states import Step

Saw: TypeAlias = Mapping[str, str | float]  # facts of `view` by name, as `node.routing` has them

LOOK_ROUTE: Final = "(look)"  # no route of a configuration can be called so
ROUTE_DIGEST: Final = hashlib.sha256(LOOK_ROUTE.encode()).hexdigest()
MOST_ATTEMPTS: Final = 2  # a study waits for its looks
WAITING: Final = (JobState.READY, JobState.LEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How far the looks at a revision's instances are."""

    waiting: int  # looks that are not ended
    asked: frozenset[tuple[int, str]]  # instance and package of every look, ended or not
    missed: int  # looks that ended without an answer
    seen: Mapping[int, Saw]  # by instance


def planned_look(instance_id: int, task: str, package_digest: str, priority: Priority) -> Planned:
    """A look of one task at one instance."""
    return Planned(
        route=LOOK_ROUTE,
        task=task,
        package_digest=package_digest,
        route_digest=ROUTE_DIGEST,
        instance_ids=(instance_id,),
        priority=priority,
    )


def looks_at(connection: sa.Connection, revision_id: int, packages: Collection[str]) -> Looks:
    """The looks of these packages at the instances of a revision, whichever revision asked for them first.

    Parameters
    ----------
    connection
        A transaction.
    revision_id
        The revision.
    packages
        Digests, hexadecimal.
    """
    here = sa.and_(look.c.instance_id == job_instance.c.instance_id, look.c.package_digest == job.c.package_digest)
    rows = connection.execute(
        sa.select(job_instance.c.instance_id, job.c.package_digest, job.c.state, look.c.seen)
        .select_from(
            revision_instance.join(job_instance, job_instance.c.instance_id == revision_instance.c.instance_id)
            .join(job, job.c.id == job_instance.c.job_id)
            .outerjoin(look, here)
        )
        .where(
            revision_instance.c.revision_id == revision_id,
            job.c.route == LOOK_ROUTE,
            job.c.package_digest.in_(list(packages)),
        )
        .order_by(job.c.id)
    ).all()
    seen: dict[int, dict[str, str | float]] = {}
    for row in rows:
        seen.setdefault(row.instance_id, {}).update(row.seen or {})
    return Looks(
        waiting=sum(row.state in WAITING for row in rows),
        asked=frozenset((row.instance_id, row.package_digest) for row in rows),
        missed=sum(row.state not in WAITING and row.seen is None for row in rows),
        seen=seen,
    )


def finish_look(engine: sa.Engine, held: Job, saw: Saw, now: datetime) -> None:
    """End a look as done and keep what was seen, in one transaction.

    Raises
    ------
    LeaseLost
        The lease is no longer ours; nothing was changed.
    """
    with write(engine) as connection:
        end(connection, JOB, held, Step.FINISH, {"finished_at": now, "error": None, "error_code": None})
        inputs = connection.execute(sa.select(job_instance.c.instance_id).where(job_instance.c.job_id == held.id))
        rows = [
            {"instance_id": key, "package_digest": held.package_digest, "seen": dict(saw), "at": now}
            for key in inputs.scalars()
        ]
        keys = [row["instance_id"] for row in rows]
        # A look that a person let run again after it was done replaces what was kept.
        connection.execute(
            look.delete().where(look.c.instance_id.in_(keys), look.c.package_digest == held.package_digest)
        )
        connection.execute(look.insert(), rows)
        who = held.lease_owner or ""
        record(connection, [Event(at=now, who=who, what="job.finished", kind="job", key=held.id, details={"looks": 1})])


def drop_outdated_looks(engine: sa.Engine, packages: Collection[str], now: datetime) -> int:
    """Cancel waiting looks of packages that are not installed any more; how many there were."""
    with write(engine) as connection:
        keys = connection.execute(
            sa.select(job.c.id).where(
                job.c.route == LOOK_ROUTE, job.c.state == JobState.READY, job.c.package_digest.not_in(list(packages))
            )
        ).scalars()
        outdated = tuple(keys)
        for key in outdated:
            changes: dict[str, object] = {
                "finished_at": now,
                "error_code": "job.superseded",
                "error": "the task package that was to look before routing was replaced while it waited",
            }
            command(connection, JOB, key, Step.CANCEL, ("scheduler", now), changes)
    return len(outdated)


def look_policy(policy: Jobs) -> Jobs:
    """The limits of looks: few attempts, because routing waits for them."""
    return policy.model_copy(update={"max_attempts": min(MOST_ATTEMPTS, policy.max_attempts)})
