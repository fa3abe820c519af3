"""Claiming, keeping and giving back work: the same rules for jobs and for deliveries.

A lease is known by its owner and the row's count of claims: work that was lost and claimed again, even by the same
owner, is another lease, and the first one's holder can no longer change the row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from node.config import Jobs, Outbox
from node.db import DeliveryState, JobState
from node.db.events import Event, record
from node.db.tables import delivery, job
from node.jobs.errors import LeaseLost, NotFound
from node.jobs.records import Delivery, Job
from node.jobs.states import State, Step, after_delivery, after_job

CLAIMS_PER_ATTEMPT: Final = 10  # a node that dies this often while it does one thing is probably killed by it
LONGEST_WORDS: Final = 2000

_jitter = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A table of leased work."""

    name: Literal["job", "delivery"]
    table: sa.Table

    def after(self, state: str, step: Step) -> State:
        """The state after a step; NotAllowed where there is none."""
        return after_job(JobState(state), step) if self.name == "job" else after_delivery(DeliveryState(state), step)


JOB: Final = Kind(name="job", table=job)
DELIVERY: Final = Kind(name="delivery", table=delivery)
FREE: Final = {"lease_owner": None, "lease_until": None}


def backoff(attempt: int, policy: Jobs | Outbox, draw: Callable[[float, float], float] | None = None) -> timedelta:
    """How long to wait after a failed attempt, drawn evenly from zero to a limit that doubles with each attempt."""
    most = min(policy.backoff_max_s, policy.backoff_s * 2.0 ** min(attempt - 1, 60))
    return timedelta(seconds=(draw or _jitter.uniform)(0.0, most))


def claim_rows(
    connection: sa.Connection, kind: Kind, candidates: sa.Select[int], lease: tuple[str, datetime, datetime]
) -> tuple[int, ...]:
    """Lease the rows that `candidates` selects by id; rows that another transaction is claiming are passed over.

    Parameters
    ----------
    connection
        A writing transaction.
    kind
        Jobs or deliveries.
    candidates
        Ready rows in the order in which they are to go, with a limit.
    lease
        Owner, now, end of the lease.
    """
    owner, now, until = lease
    table = kind.table
    ids = tuple(connection.execute(candidates.with_for_update(skip_locked=True, of=table)).scalars())
    if not ids:
        return ()
    connection.execute(
        table.update()
        .where(table.c.id.in_(ids))
        .values(
            state=kind.after("ready", Step.CLAIM),
            lease_owner=owner,
            lease_until=until,
            claims=table.c.claims + 1,
            attempt=table.c.attempt + 1,
        )
    )
    record(connection, [Event(at=now, who=owner, what=f"{kind.name}.claimed", kind=kind.name, key=key) for key in ids])
    return ids


def renew(connection: sa.Connection, kind: Kind, held: Job | Delivery, until: datetime) -> bool:
    """Move the end of a lease; False when it is lost."""
    return connection.execute(_held(kind, held).values(lease_until=until)).rowcount == 1


def end(connection: sa.Connection, kind: Kind, held: Job | Delivery, step: Step, changes: dict[str, object]) -> State:
    """Take a leased row to its next state.

    Raises
    ------
    LeaseLost
        The lease is no longer this one.
    NotAllowed
        The step is not one from `leased`.
    """
    state = kind.after("leased", step)
    if connection.execute(_held(kind, held).values(state=state, **FREE, **changes)).rowcount != 1:
        raise LeaseLost(f"the lease of {kind.name} {held.id} is lost: it ran out or the {kind.name} was cancelled")
    return state


def _held(kind: Kind, held: Job | Delivery) -> sa.Update:
    table = kind.table
    return table.update().where(
        table.c.id == held.id,
        table.c.state == "leased",
        table.c.lease_owner == held.lease_owner,
        table.c.claims == held.claims,
    )


def give_up_or_wait(
    connection: sa.Connection, kind: Kind, held: Job | Delivery, why: tuple[str, str], when: Attempted
) -> State:
    """End a failed attempt: another one later, or a dead letter.

    Parameters
    ----------
    connection
        A writing transaction.
    kind, held
        The leased row.
    why
        Code and words.
    when
        Now, whether another attempt may help, and the limits.
    """
    code, words = why
    again = when.retryable and held.attempt < when.policy.max_attempts
    if when.retryable and not again:
        words = f"{words} (given up after {held.attempt} attempts)"
    wait = max(backoff(held.attempt, when.policy), when.least_wait) if again else timedelta(0)
    changes: dict[str, object] = {
        "error_code": code,
        "error": words[:LONGEST_WORDS],
        "not_before": when.now + wait,
    }
    if not again and kind is JOB:
        changes["finished_at"] = when.now
    step = Step.POSTPONE if again else Step.FAIL
    state = end(connection, kind, held, step, changes)
    details: dict[str, str | int | None] = {
        "code": code,
        "attempt": held.attempt,
        "wait_ms": int(wait / timedelta(milliseconds=1)),
    }
    record(
        connection,
        [
            Event(
                at=when.now,
                who=held.lease_owner or "",
                what=f"{kind.name}.{step}",
                kind=kind.name,
                key=held.id,
                details=details,
            )
        ],
    )
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """When an attempt failed, and under which limits."""

    now: datetime
    retryable: bool
    policy: Jobs | Outbox
    least_wait: timedelta = timedelta(0)  # before another attempt


def nobody(_owner: str) -> bool:
    """For callers that cannot tell whether an owner is gone."""
    return False


def expire(
    connection: sa.Connection, kind: Kind, now: datetime, policy: Jobs | Outbox, gone: Callable[[str], bool] = nobody
) -> int:
    """Give back what nobody has sent a heartbeat for, or whose owner is gone; each counts as a failed attempt."""
    table = kind.table
    leased = sa.select(table).where(table.c.state == "leased")
    count = 0
    for row in connection.execute(leased.with_for_update(skip_locked=True)).all():
        if row.lease_until > now and not gone(row.lease_owner):
            continue
        again = row.attempt < policy.max_attempts
        words = "its worker stopped answering: it was killed, ran out of memory, or hangs"
        if not again:
            words = f"{words} (given up after {row.attempt} attempts)"
        _take_back(connection, kind, row, (Step.POSTPONE if again else Step.FAIL, now), ("lease_expired", words))
        count += 1
    return count


def release(
    connection: sa.Connection, kind: Kind, gone: Callable[[str], bool], now: datetime, policy: Jobs | Outbox
) -> int:
    """Give back at once what processes hold that are gone, without counting it against the work.

    Meant for the start of the node: whatever ended the last run, a power cut or an upgrade, was hardly this one
    job. Only where that happened `CLAIMS_PER_ATTEMPT` times `max_attempts` times is the work failed.
    """
    table = kind.table
    leased = sa.select(table).where(table.c.state == "leased")
    count = 0
    for row in connection.execute(leased.with_for_update(skip_locked=True)).all():
        if not gone(row.lease_owner):
            continue
        if row.claims < CLAIMS_PER_ATTEMPT * policy.max_attempts:
            step, words = Step.POSTPONE, "the node was stopped while it ran"
        else:
            step, words = Step.FAIL, f"the node was stopped {row.claims} times while it ran"
        connection.execute(table.update().where(table.c.id == row.id).values(attempt=max(0, row.attempt - 1)))
        _take_back(connection, kind, row, (step, now), ("node_stopped", words))
        count += 1
    return count


def _take_back(
    connection: sa.Connection,
    kind: Kind,
    row: sa.Row[*tuple[object, ...]],
    then: tuple[Step, datetime],
    why: tuple[str, str],
) -> None:
    step, now = then
    code, words = why
    changes: dict[str, object] = {"error_code": code, "error": words, "not_before": now}
    if step is Step.FAIL and kind is JOB:
        changes["finished_at"] = now
    connection.execute(
        kind.table.update()
        .where(kind.table.c.id == row.id)
        .values(state=kind.after(row.state, step), **FREE, **changes)
    )
    event = Event(
        at=now, who="scheduler", what=f"{kind.name}.{step}", kind=kind.name, key=row.id, details={"code": code}
    )
    record(connection, [event])


def command(
    connection: sa.Connection, kind: Kind, key: int, step: Step, by: tuple[str, datetime], changes: dict[str, object]
) -> State:
    """Take a row to its next state because a person asked for it, whoever holds it.

    Raises
    ------
    NotFound
        There is no such row.
    NotAllowed
        Its state does not allow the step.
    """
    who, now = by
    table = kind.table
    state = connection.execute(sa.select(table.c.state).where(table.c.id == key).with_for_update()).scalar_one_or_none()
    if state is None:
        raise NotFound(f"there is no {kind.name} {key}")
    after = kind.after(state, step)
    connection.execute(table.update().where(table.c.id == key).values(state=after, **FREE, **changes))
    record(connection, [Event(at=now, who=who, what=f"{kind.name}.{step}", kind=kind.name, key=key)])
    return after
