"""Storage commitment of what was delivered: who is to be asked, who was asked, and what came of it.

A delivery to a destination that commits is accepted first, with a time when the destination is asked. Each asking is a
transaction of its own that stays known, so that a report that comes late counts too. Only a report ends the asking.

References
----------
DICOM PS3.4 J.3 (transactions), PS3.3 C.14 (failure reasons).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from integration.dimse import CommitmentReport, reason_words
from node.config import Outbox
from node.db import DeliveryState, read, write
from node.db.events import Event, record
from node.db.tables import commitment, commitment_delivery, delivery, result
from node.jobs.leases import DELIVERY, backoff
from node.jobs.states import Step

MOST_DOUBLINGS: Final = 6
NOT_COMMITTED: Final = "commitment.failed"
# A destination can commit only to what it was sent, which may be a simpler object than the result.
SENT_CLASS: Final = sa.func.coalesce(delivery.c.sent_sop_class, result.c.sop_class).label("sop_class")
SENT_INSTANCE: Final = sa.func.coalesce(delivery.c.sent_sop_instance_uid, result.c.sop_instance_uid).label(
    "sop_instance_uid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One transaction that a destination is to be asked."""

    id: int
    transaction_uid: str
    destination: str
    instances: tuple[tuple[str, str], ...]  # SOP class and SOP instance
    asks: int  # how often the one that was asked most was, this time included


def begin_asking(engine: sa.Engine, destination: str, now: datetime, *, wait_s: float, limit: int) -> Asking | None:
    """Take what is due for one destination into a new transaction.

    It counts as asked from now on: where nothing comes of it, for whatever reason, it is due again after `wait_s`,
    doubled with every asking.

    Returns
    -------
    Asking or None
        None where nothing is due.
    """
    due = (
        sa.select(delivery.c.id, delivery.c.commit_asks, SENT_CLASS, SENT_INSTANCE)
        .join_from(delivery, result)
        .where(
            delivery.c.destination == destination,
            delivery.c.state == DeliveryState.ACCEPTED,
            delivery.c.commit_due_at <= now,
        )
        .order_by(delivery.c.id)
        .limit(limit)
    )
    with read(engine) as connection:
        if connection.execute(due).first() is None:  # a look costs no write
            return None
    with write(engine) as connection:
        rows = connection.execute(due.with_for_update(skip_locked=True, of=delivery)).all()
        if not rows:
            return None
        transaction_uid = f"2.25.{uuid.uuid4().int}"
        key = connection.execute(
            commitment.insert()
            .values(transaction_uid=transaction_uid, destination=destination, asked_at=now)
            .returning(commitment.c.id)
        ).scalar_one()
        connection.execute(
            commitment_delivery.insert(), [{"commitment_id": key, "delivery_id": row.id} for row in rows]
        )
        for asks in {row.commit_asks for row in rows}:
            wait = timedelta(seconds=wait_s * 2.0 ** min(asks, MOST_DOUBLINGS))
            ids = [row.id for row in rows if row.commit_asks == asks]
            connection.execute(
                delivery.update().where(delivery.c.id.in_(ids)).values(commit_asks=asks + 1, commit_due_at=now + wait)
            )
    return Asking(
        id=key,
        transaction_uid=transaction_uid,
        destination=destination,
        instances=tuple((row.sop_class, row.sop_instance_uid) for row in rows),
        asks=max(row.commit_asks for row in rows) + 1,
    )


def asked_in_vain(engine: sa.Engine, asking: Asking, words: str, now: datetime, *, policy: Outbox) -> None:
    """The destination did not take the request: its deliveries stay accepted, say why, and are due again soon."""
    with write(engine) as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.id.in_(_deliveries_of(asking.id)), delivery.c.state == DeliveryState.ACCEPTED)
            .values(commit_due_at=now + backoff(asking.asks, policy), error_code="commitment.not_asked", error=words)
        )


def take_report(engine: sa.Engine, report: CommitmentReport, now: datetime, *, policy: Outbox) -> bool:
    """Write down what a destination reports: committed ones are done, failed ones are delivered again.

    Repeating it is harmless. What the report does not name stays as it is, and is asked again.

    Returns
    -------
    bool
        False where no such transaction was ever asked for.
    """
    with write(engine) as connection:
        row = connection.execute(
            sa.select(commitment).where(commitment.c.transaction_uid == report.transaction_uid).with_for_update()
        ).one_or_none()
        if row is None:
            return False
        connection.execute(commitment.update().where(commitment.c.id == row.id).values(reported_at=now))
        asked = connection.execute(
            sa.select(delivery, SENT_INSTANCE)
            .join_from(delivery, result)
            .where(delivery.c.id.in_(_deliveries_of(row.id)), delivery.c.state == DeliveryState.ACCEPTED)
            .with_for_update(of=delivery)
        ).all()
        kept = {reference.sop_instance for reference in report.committed}
        reasons = {reference.sop_instance: reason for reference, reason in report.failed}
        for each in asked:
            if each.sop_instance_uid in reasons:
                _deliver_again(connection, each, reasons[each.sop_instance_uid], now, policy)
            elif each.sop_instance_uid in kept:
                done = {"committed_at": now, "commit_due_at": None, "error": None, "error_code": None}
                _step(connection, each, Step.COMMIT, done, now)
    return True


def _deliver_again(
    connection: sa.Connection, row: sa.Row[*tuple[object, ...]], reason: int, now: datetime, policy: Outbox
) -> None:
    """Back into the queue, or a dead letter where that was tried often enough."""
    again = row.attempt < policy.max_attempts
    words = f"the destination accepted it and did not commit to it: {reason_words(reason)}"
    if not again:
        words = f"{words} (given up after {row.attempt} attempts)"
    changes = {
        "error_code": NOT_COMMITTED,
        "error": words,
        "commit_due_at": None,
        "not_before": now + backoff(row.attempt, policy),
    }
    _step(connection, row, Step.REDELIVER if again else Step.GIVE_UP, changes, now)


def _step(
    connection: sa.Connection,
    row: sa.Row[*tuple[object, ...]],
    step: Step,
    changes: Mapping[str, object],
    now: datetime,
) -> None:
    state = DELIVERY.after(DeliveryState.ACCEPTED, step)
    connection.execute(delivery.update().where(delivery.c.id == row.id).values(state=state, **changes))
    event = Event(at=now, who=row.destination, what=f"delivery.{step}", kind="delivery", key=row.id)
    record(connection, [event])


def _deliveries_of(key: int) -> sa.Select[int]:
    return sa.select(commitment_delivery.c.delivery_id).where(commitment_delivery.c.commitment_id == key)
