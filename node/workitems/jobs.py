"""The jobs that a work item stands for: those that are there already are taken, those that are missing are made.

A job looks at one image. Where an active job of the same task package on the same image exists, whoever asked for it,
the work item takes it: nothing is computed, or sent, twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from models.findings import TaskIdentity
from node.config import Jobs, Mode, Priority
from node.db import JobState, WorkitemState
from node.db.tables import job, job_instance, workitem, workitem_job
from node.jobs import Planned, Step
from node.jobs.leases import JOB, command
from node.jobs.looks import LOOK_ROUTE
from node.jobs.queue import add_job, retry_within
from node.routing import Routes
from node.studies import Revision, StoredInstance

WORKITEM_ROUTE: Final = "(work item)"  # no route of a configuration can be called so
PERFORMER: Final = "performer"  # who, in events
UNDER_WAY: Final = (JobState.READY, JobState.LEASED)
ENDED_WITHOUT: Final = (JobState.FAILED, JobState.CANCELLED)
CANCELLED: Final = {"error_code": "job.workitem_cancelled", "error": "the work item that asked for it was cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a work item wants done."""

    uid: str
    package: TaskIdentity
    revision: Revision
    instances: Sequence[StoredInstance]  # images, all of the revision
    named: bool  # one by one; else as the images of a study or of series
    priority: Priority

    @property
    def digest(self) -> str:
        """Of the package, hexadecimal."""
        return self.package.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True, kw_only=True)
class _There:
    """A job that looks at an image already."""

    id: int
    state: JobState
    by_route: bool  # no work item had it made


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the jobs of a work item stand."""

    jobs: Mapping[JobState, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.jobs.values())

    @property
    def under_way(self) -> int:
        return sum(self.jobs.get(state, 0) for state in UNDER_WAY)

    @property
    def ended_without(self) -> int:
        return sum(self.jobs.get(state, 0) for state in ENDED_WITHOUT)


def take_jobs(
    connection: sa.Connection, order: Order, routes: Routes, send_to: Sequence[str], now: datetime, policy: Jobs
) -> int:
    """Tie a work item to its jobs, in the caller's writing transaction.

    Of a study or series, where a route has chosen images for the task, they are the ones; else all images are.

    Parameters
    ----------
    connection
        A writing transaction that holds the work item's row.
    order
        What is wanted.
    routes
        The compiled rules: the first active one of the task says where results go.
    send_to
        Peers for a task that no active route names.
    now
        The time.
    policy
        `Settings.jobs`.

    Returns
    -------
    int
        How many jobs wait to be run because of this: new ones, and ended ones that run again.
    """
    there = _jobs_there(connection, order)
    chosen = [each for each in order.instances if each.id in there and there[each.id].by_route]
    wanted = order.instances if order.named or not chosen else chosen
    tied = _jobs_of(connection, order.uid, tuple(JobState))
    started = 0
    for each in wanted:
        found = there.get(each.id)
        if found is None:
            plan = _plan(order, each, routes, send_to)
            key, made = add_job(connection, order.revision, plan, who=PERFORMER, now=now, policy=policy)
            started += made
        else:
            again = found.state in ENDED_WITHOUT
            key, made = found.id, again and not found.by_route
            if again:
                retry_within(connection, key, who=PERFORMER, now=now)
                started += 1
        if key not in tied:
            connection.execute(workitem_job.insert().values(workitem_uid=order.uid, job_id=key, made=made))
    return started


def standings(connection: sa.Connection) -> dict[str, Standing]:
    """How the jobs of every work item stand that this node performs."""
    rows = connection.execute(
        sa.select(workitem.c.uid, job.c.state, sa.func.count())
        .select_from(workitem.join(workitem_job).join(job, workitem_job.c.job_id == job.c.id))
        .where(workitem.c.state == WorkitemState.IN_PROGRESS, workitem.c.ours, workitem.c.planned_at.is_not(None))
        .group_by(workitem.c.uid, job.c.state)
    )
    found: dict[str, dict[JobState, int]] = {}
    for uid, state, count in rows:
        found.setdefault(uid, {})[state] = count
    return {uid: Standing(jobs=jobs) for uid, jobs in found.items()}


def all_ended(connection: sa.Connection, uid: str) -> bool:
    """Whether no job of a work item waits or runs."""
    return not _jobs_of(connection, uid, UNDER_WAY)


def cancel_jobs(connection: sa.Connection, uid: str, who: str, now: datetime) -> str:
    """Cancel the jobs that were made for a work item and that nobody else wants; what became of each, in words."""
    under_way = _jobs_of(connection, uid, UNDER_WAY)
    own = [key for key, made in under_way.items() if made and not _wanted_by_others(connection, key, uid)]
    for key in own:
        command(connection, JOB, key, Step.CANCEL, (who, now), {"finished_at": now, **CANCELLED})
    done, others = len(_jobs_of(connection, uid, (JobState.DONE,))), len(under_way) - len(own)
    words = [f"{len(own)} waiting jobs cancelled"]
    words += [f"{others} go on for a route or another work item"] if others else []
    words += [f"{done} were done"] if done else []
    return ", ".join(words)


def superseded_jobs(connection: sa.Connection, uid: str, digest: str | None) -> tuple[int, ...]:
    """Jobs of a work item that were made for a task package that is not the installed one and will not be done."""
    rows = connection.execute(
        sa.select(job.c.id)
        .join_from(workitem_job, job, workitem_job.c.job_id == job.c.id)
        .where(
            workitem_job.c.workitem_uid == uid,
            job.c.package_digest != (digest or ""),
            job.c.state.in_((JobState.READY, *ENDED_WITHOUT)),
        )
    )
    return tuple(rows.scalars())


def let_go(connection: sa.Connection, uid: str, keys: Collection[int], now: datetime) -> None:
    """Untie a work item from jobs of a replaced package; those that wait, and were made for it, are cancelled."""
    for key, made in _jobs_of(connection, uid, (JobState.READY,)).items():
        if key in keys and made and not _wanted_by_others(connection, key, uid):
            changes: dict[str, object] = {
                "finished_at": now,
                "error_code": "job.superseded",
                "error": "its task package was replaced while it waited",
            }
            command(connection, JOB, key, Step.CANCEL, (PERFORMER, now), changes)
    connection.execute(
        workitem_job.delete().where(workitem_job.c.workitem_uid == uid, workitem_job.c.job_id.in_(list(keys)))
    )


def _jobs_of(connection: sa.Connection, uid: str, states: Collection[JobState]) -> dict[int, bool]:
    """The jobs of a work item in some states, and whether they were made for it."""
    rows = connection.execute(
        sa.select(job.c.id, workitem_job.c.made)
        .join_from(workitem_job, job, workitem_job.c.job_id == job.c.id)
        .where(workitem_job.c.workitem_uid == uid, job.c.state.in_(list(states)))
        .order_by(job.c.id)
    )
    return {row.id: row.made for row in rows}


def _wanted_by_others(connection: sa.Connection, key: int, uid: str) -> bool:
    others = (
        sa.select(workitem.c.uid)
        .join_from(workitem_job, workitem)
        .where(workitem_job.c.job_id == key, workitem.c.uid != uid, workitem.c.state == WorkitemState.IN_PROGRESS)
        .limit(1)
    )
    return connection.execute(others).first() is not None


def _jobs_there(connection: sa.Connection, order: Order) -> dict[int, _There]:
    """By image, the newest active job of the package that looks at it."""
    by_workitem = sa.exists().where(workitem_job.c.job_id == job.c.id, workitem_job.c.made)
    rows = connection.execute(
        sa.select(job.c.id, job.c.state, job_instance.c.instance_id, by_workitem.label("by_workitem"))
        .join_from(job, job_instance)
        .where(
            job_instance.c.instance_id.in_([each.id for each in order.instances]),
            job.c.task == order.package.task,
            job.c.package_digest == order.digest,
            job.c.mode == Mode.ACTIVE,
            job.c.route != LOOK_ROUTE,
        )
        .order_by(job.c.id)
    )
    return {row.instance_id: _There(id=row.id, state=row.state, by_route=not row.by_workitem) for row in rows}


def _plan(order: Order, each: StoredInstance, routes: Routes, send_to: Sequence[str]) -> Planned:
    task = order.package.task
    rule = next((one for one in routes.rules if one.route.task == task and one.route.mode is Mode.ACTIVE), None)
    own = json.dumps({"route": WORKITEM_ROUTE, "task": task, "send_to": list(send_to)}, sort_keys=True)
    return Planned(
        route=WORKITEM_ROUTE if rule is None else rule.route.name,
        task=task,
        package_digest=order.digest,
        route_digest=hashlib.sha256(own.encode()).hexdigest() if rule is None else rule.route_digest,
        instance_ids=(each.id,),
        mode=Mode.ACTIVE,
        priority=order.priority,
        send_to=tuple(send_to) if rule is None else rule.route.send_to,
    )
