"""Jobs that wait while their task package is replaced: the new package takes them over.

A job's identity names its package, so a job for a package that is gone can never run. At the start of the node, which
an upgrade implies, each such job is cancelled and planned again for the package that is installed now. What was done
with the old package stays as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from node.config import Jobs
from node.db import JobState, read, write
from node.db.tables import job, job_instance, revision
from node.jobs import Planned, Step, create_jobs
from node.jobs.leases import JOB, command
from node.routing import Routes, Rule
from node.studies import Revision

SUPERSEDED: Final = {
    "error_code": "job.superseded",
    "error": "its task package was replaced while it waited; a new job for the new package took its place",
}


def renew_outdated(engine: sa.Engine, routes: Routes, now: datetime, *, policy: Jobs) -> int:
    """Give waiting jobs of replaced packages to the packages that are installed; how many there were.

    Parameters
    ----------
    engine
        The database.
    routes
        The compiled rules. A job whose rule is not among them any more is left alone: its worker says why it fails.
    now
        The time.
    policy
        `Settings.jobs`.

    Raises
    ------
    DatabaseUnavailable
        Some may be renewed already; call again.
    """
    rules = {rule.route.name: rule for rule in routes.rules}
    with read(engine) as connection:
        waiting = connection.execute(sa.select(job).where(job.c.state == JobState.READY).order_by(job.c.id)).all()
    outdated = [
        (row.id, rules[row.route])
        for row in waiting
        if row.route in rules
        and rules[row.route].route.task == row.task
        and rules[row.route].package_digest != row.package_digest
    ]
    for key, rule in outdated:
        with write(engine) as connection:
            _renew(connection, key, rule, now, policy)
    return len(outdated)


def _renew(connection: sa.Connection, key: int, rule: Rule, now: datetime, policy: Jobs) -> None:
    of = Revision.of(connection.execute(sa.select(revision).join_from(job, revision).where(job.c.id == key)).one())
    inputs = connection.execute(sa.select(job_instance.c.instance_id).where(job_instance.c.job_id == key)).scalars()
    plan = Planned(
        route=rule.route.name,
        task=rule.route.task,
        package_digest=rule.package_digest,
        route_digest=rule.route_digest,
        instance_ids=tuple(inputs),
        mode=rule.route.mode,
        priority=rule.route.priority,
        send_to=rule.route.send_to,
    )
    command(connection, JOB, key, Step.CANCEL, ("scheduler", now), {"finished_at": now, **SUPERSEDED})
    create_jobs(connection, of, [plan], now=now, policy=policy)
