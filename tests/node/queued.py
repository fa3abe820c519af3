"""Studies, revisions and jobs for tests, made through the node's own functions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from integration.dimse import CommitmentReport, Reference
from node.config import Jobs, Mode, Outbox, Priority
from node.db import read, write
from node.db.tables import commitment, commitment_delivery, delivery
from node.jobs import (
    AS_IT_IS,
    Accepted,
    AsSent,
    Delivery,
    Job,
    LeaseLost,
    NewResult,
    NotAllowed,
    Planned,
    accept,
    claim,
    create_jobs,
    take_report,
)
from node.studies import Arrival, Revision, arrive, close_study, instances_of
from node.studies.revisions import Signal

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Jobs(max_attempts=3, lease_s=60, heartbeat_s=15, backoff_s=2, backoff_max_s=300, aging_s=600)
SENDING = Outbox(max_attempts=3, lease_s=60, heartbeat_s=15, backoff_s=2, backoff_max_s=300, batch=10)
DIGEST = "d" * 64


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def arrival(study: int = 1, number: int = 1, content: str = "first", at: datetime = NOON) -> Arrival:
    uid = f"1.2.826.{study}.{number}"
    sha256 = hashlib.sha256(f"{uid} {content}".encode()).hexdigest()
    return Arrival(
        sop_instance_uid=uid,
        study_uid=f"1.2.826.{study}",
        series_uid=f"1.2.826.{study}.0",
        sop_class="1.2.840.10008.5.1.4.1.1.6.1",
        transfer_syntax="1.2.840.10008.1.2.1",
        path=f"instances/{sha256[:2]}/{study}/{uid}-{sha256[:12]}.dcm",
        sha256=sha256,
        bytes=1000,
        calling_ae="US1",
        called_ae="ECHOCARE",
        received_at=at,
    )


def closed_revision(engine: sa.Engine, study: int = 1, instances: int = 1, at: datetime = NOON) -> Revision:
    """A study with some instances (numbers from 1), received and closed."""
    with write(engine) as connection:
        for number in range(1, instances + 1):
            arrive(connection, arrival(study, number, at=at), quiet_s=30, now=at)
        revision = close_study(connection, f"1.2.826.{study}", Signal.QUIET, at)
    assert revision is not None
    return revision


def plan(engine: sa.Engine, revision: Revision, route: str = "fetal", **changes: object) -> Planned:
    """A plan of one route on all of a revision's instances."""
    with read(engine) as connection:
        ids = tuple(each.id for each in instances_of(connection, revision.id))
    values = {
        "route": route,
        "task": "fetal-head",
        "package_digest": DIGEST,
        "route_digest": hashlib.sha256(route.encode()).hexdigest(),
        "instance_ids": ids,
        "mode": Mode.ACTIVE,
        "priority": Priority.ROUTINE,
        "send_to": ("out",),
    }
    return Planned(**{**values, **changes})


def enqueue(engine: sa.Engine, *plans: Planned, of: Revision, at: datetime = NOON) -> tuple[int, ...]:
    with write(engine) as connection:
        return create_jobs(connection, of, plans, now=at, policy=POLICY)


def job(engine: sa.Engine, study: int = 1, at: datetime = NOON, **changes: object) -> int:
    """A ready job on a study of its own."""
    revision = closed_revision(engine, study, at=at)
    (key,) = enqueue(engine, plan(engine, revision, **changes), of=revision, at=at)
    return key


def claimed(engine: sa.Engine, owner: str = "worker-a", at: datetime = NOON) -> Job:
    (held,) = claim(engine, owner, at, policy=POLICY)
    return held


def new_result(held: Job, role: str = "SR") -> NewResult:
    uid = f"2.25.{int(hashlib.sha256(f'{held.identity}{role}'.encode()).hexdigest()[:24], 16)}"
    return NewResult(
        sop_instance_uid=uid,
        sop_class="1.2.840.10008.5.1.4.1.1.88.34",
        study_uid=held.study_uid,
        series_uid=f"{uid}.1",
        role=role,
        path=f"{held.identity}/{role}.dcm",
        sha256=DIGEST,
    )


def accept_one(
    engine: sa.Engine, held: Delivery, at: datetime, *, commits: bool = False, sent: AsSent = AS_IT_IS
) -> None:
    """Write down that a destination accepted one delivery; raises LeaseLost where it is no longer held."""
    if accept(engine, [Accepted(delivery=held, at=at, sent=sent)], commits=commits):
        raise LeaseLost("the lease is no longer ours")


def reported(
    engine: sa.Engine, held: Delivery, reason: int | None, *, most_attempts: int = 3, at: datetime = NOON
) -> None:
    """Its destination was asked to commit to a delivery and reports on it; with a reason, that it does not."""
    reference = Reference(sop_class=held.sop_class, sop_instance=held.sop_instance_uid)
    report = CommitmentReport(
        transaction_uid=f"1.2.826.99.{held.id}",
        committed=(reference,) if reason is None else (),
        failed=() if reason is None else ((reference, reason),),
    )
    with write(engine) as connection:
        values = {"transaction_uid": report.transaction_uid, "destination": held.destination, "asked_at": at}
        key = connection.execute(commitment.insert().values(**values).returning(commitment.c.id)).scalar_one()
        connection.execute(commitment_delivery.insert().values(commitment_id=key, delivery_id=held.id))
        before = connection.execute(sa.select(delivery.c.state).where(delivery.c.id == held.id)).scalar_one()
    assert take_report(engine, report, at, policy=SENDING.model_copy(update={"max_attempts": most_attempts}))
    with read(engine) as connection:
        after = connection.execute(sa.select(delivery.c.state).where(delivery.c.id == held.id)).scalar_one()
    if after == before:
        raise NotAllowed(f"a report on a delivery that is {before} changes nothing")
