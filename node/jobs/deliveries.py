"""The queue of deliveries: each destination has its own, fails alone and recovers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from node.config import Outbox
from node.db import DeliveryState, write
from node.db.events import Event, record
from node.db.tables import delivery, result
from node.jobs.errors import LeaseLost
from node.jobs.leases import (
    DELIVERY,
    LONGEST_WORDS,
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
from node.jobs.records import Accepted, Delivery
from node.jobs.states import State, Step

WITH_RESULT: Final = sa.select(
    delivery,
    *(result.c[name] for name in ("job_id", "sop_instance_uid", "sop_class", "study_uid", "series_uid")),
    *(result.c[name] for name in ("role", "path", "sha256")),
).join_from(delivery, result)


def claim_deliveries(
    engine: sa.Engine, destination: str, owner: str, now: datetime, *, policy: Outbox, limit: int | None = None
) -> tuple[Delivery, ...]:
    """Lease what waits for one destination, oldest first.

    Parameters
    ----------
    engine
        The database.
    destination
        Name of the peer.
    owner
        Who claims: `owner_name(role)`.
    now
        Time of the claim.
    policy
        `Settings.outbox`.
    limit
        Most deliveries to lease; None takes `policy.batch`.
    """
    candidates = (
        sa.select(delivery.c.id)
        .where(
            delivery.c.destination == destination,
            delivery.c.state == DeliveryState.READY,
            delivery.c.not_before <= now,
        )
        .order_by(delivery.c.id)
        .limit(limit or policy.batch)
    )
    with write(engine) as connection:
        ids = claim_rows(connection, DELIVERY, candidates, (owner, now, now + timedelta(seconds=policy.lease_s)))
        found = connection.execute(WITH_RESULT.where(delivery.c.id.in_(ids)).order_by(delivery.c.id)) if ids else ()
        return tuple(as_delivery(row) for row in found)


def heartbeat_delivery(engine: sa.Engine, held: Delivery, now: datetime, *, policy: Outbox) -> bool:
    """Keep a lease; False when it is lost."""
    with write(engine) as connection:
        return renew(connection, DELIVERY, held, now + timedelta(seconds=policy.lease_s))


def accept(engine: sa.Engine, accepted: Sequence[Accepted], *, commits: bool = False) -> tuple[Delivery, ...]:
    """The destination has answered Success to some deliveries: write it down in one transaction.

    Parameters
    ----------
    engine
        The database.
    accepted
        Deliveries as `claim_deliveries` gave them, with what became of them.
    commits
        Whether the destination is to be asked now to commit to them (`node.jobs.commitments`).

    Returns
    -------
    tuple of Delivery
        Those whose lease is no longer ours and that are as they were; another sends them again, which is harmless.
    """
    lost = []
    with write(engine) as connection:
        for each in accepted:
            changes: dict[str, object] = {
                "accepted_at": each.at,
                "error": None,
                "error_code": None,
                "note": each.sent.note and each.sent.note[:LONGEST_WORDS],
                "sent_sop_class": each.sent.sop_class,
                "sent_sop_instance_uid": each.sent.sop_instance_uid,
                "sent_transfer_syntax": each.sent.transfer_syntax,
            }
            if commits:
                changes |= {"commit_due_at": each.at, "commit_asks": 0}
            try:
                end(connection, DELIVERY, each.delivery, Step.ACCEPT, changes)
            except LeaseLost:  # before anything was changed
                lost.append(each.delivery)
            else:
                _record(connection, each.delivery, "delivery.accepted", each.delivery.lease_owner or "", each.at)
    return tuple(lost)


def fail_delivery(
    engine: sa.Engine,
    held: Delivery,
    why: tuple[str, str],
    *,
    retryable: bool,
    now: datetime,
    policy: Outbox,
    least_wait: timedelta = timedelta(0),
) -> State:
    """End an attempt that failed: try again later where that can help and attempts are left, else a dead letter.

    Parameters
    ----------
    engine
        The database.
    held
        The delivery as `claim_deliveries` gave it.
    why
        The error's code, and its reason in words without patient data.
    retryable
        Whether another attempt may succeed.
    now
        Time of the failure.
    policy
        `Settings.outbox`.
    least_wait
        How long to wait before another attempt, where that is longer than the usual wait.

    Raises
    ------
    LeaseLost
        The lease is no longer ours; nothing was changed.
    """
    with write(engine) as connection:
        attempted = Attempted(now=now, retryable=retryable, policy=policy, least_wait=least_wait)
        return give_up_or_wait(connection, DELIVERY, held, why, attempted)


def put_back(engine: sa.Engine, held: Delivery, now: datetime, wait: timedelta = timedelta(0)) -> None:
    """Give back, untried, a delivery that was claimed together with one that failed; it costs no attempt.

    Raises
    ------
    LeaseLost
        The lease is no longer ours.
    """
    with write(engine) as connection:
        end(connection, DELIVERY, held, Step.POSTPONE, {"attempt": held.attempt - 1, "not_before": now + wait})
        _record(connection, held, "delivery.postponed", held.lease_owner or "", now)


def retry_delivery(engine: sa.Engine, key: int, *, who: str, now: datetime) -> None:
    """Put a failed delivery back into the queue, with all its attempts ahead.

    Raises
    ------
    NotFound, NotAllowed
        No such delivery, or it is not failed.
    """
    fresh: dict[str, object] = {"attempt": 0, "claims": 0, "not_before": now, "error": None, "error_code": None}
    with write(engine) as connection:
        command(connection, DELIVERY, key, Step.RETRY, (who, now), fresh)


def hasten_deliveries(engine: sa.Engine, destination: str, now: datetime) -> int:
    """Let what waits out its backoff for one destination go at once, because it is back; how many there were."""
    waiting = (
        delivery.c.destination == destination,
        delivery.c.state == DeliveryState.READY,
        delivery.c.not_before > now,
    )
    with write(engine) as connection:
        return connection.execute(delivery.update().where(*waiting).values(not_before=now)).rowcount


def expire_delivery_leases(
    engine: sa.Engine, now: datetime, *, policy: Outbox, gone: Callable[[str], bool] = nobody
) -> int:
    """Give back deliveries whose sender sends no heartbeat or is gone; how many there were."""
    with write(engine) as connection:
        return expire(connection, DELIVERY, now, policy, gone)


def release_delivery_leases(engine: sa.Engine, gone: Callable[[str], bool], now: datetime, *, policy: Outbox) -> int:
    """Give back deliveries held by processes that are gone (`owners.is_gone`); how many there were."""
    with write(engine) as connection:
        return release(connection, DELIVERY, gone, now, policy)


def as_delivery(row: sa.Row[*tuple[object, ...]]) -> Delivery:
    """A row of `WITH_RESULT` as plain data."""
    return Delivery(**{name: row._mapping[name] for name in Delivery.__dataclass_fields__})


def _record(connection: sa.Connection, held: Delivery, what: str, who: str, now: datetime) -> None:
    record(connection, [Event(at=now, who=who, what=what, kind="delivery", key=held.id)])
