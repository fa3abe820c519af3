from __future__ import annotations

from itertools import product

import pytest
import sqlalchemy as sa

from node.db import DeliveryState, JobState, write
from node.db.tables import delivery
from node.db.tables import job as jobs
from node.jobs import (
    DELIVERY_STEPS,
    JOB_STEPS,
    LeaseLost,
    NotAllowed,
    Step,
    cancel,
    claim,
    claim_deliveries,
    fail,
    fail_delivery,
    finish,
    retry,
    retry_delivery,
)
from node.jobs.states import after_delivery, after_job
from tests.node.queued import NOON, POLICY, SENDING, accept_one, claimed, job, new_result, reported

DESIGN_JOB = {
    ("ready", "leased"), ("leased", "done"), ("leased", "failed"), ("leased", "cancelled"), ("ready", "cancelled"),
    ("leased", "ready"), ("failed", "ready"), ("cancelled", "ready"),
}  # fmt: skip
DESIGN_DELIVERY = {
    ("ready", "leased"), ("leased", "accepted"), ("accepted", "committed"), ("leased", "failed"),
    ("leased", "ready"), ("failed", "ready"), ("accepted", "ready"), ("accepted", "failed"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "step"), list(product(JobState, Step)))
def test_job_steps__every_pair__is_in_the_table_or_refused(before: JobState, step: Step) -> None:
    if (before, step) in JOB_STEPS:
        assert after_job(before, step) is JOB_STEPS[before, step]
    else:
        with pytest.raises(NotAllowed):
            after_job(before, step)


@pytest.mark.parametrize(("before", "step"), list(product(DeliveryState, Step)))
def test_delivery_steps__every_pair__is_in_the_table_or_refused(before: DeliveryState, step: Step) -> None:
    if (before, step) in DELIVERY_STEPS:
        assert after_delivery(before, step) is DELIVERY_STEPS[before, step]
    else:
        with pytest.raises(NotAllowed):
            after_delivery(before, step)


def test_tables__pairs_of_states__are_those_of_the_design() -> None:
    assert {(before, after) for (before, _), after in JOB_STEPS.items()} == DESIGN_JOB
    assert {(before, after) for (before, _), after in DELIVERY_STEPS.items()} == DESIGN_DELIVERY


def set_state(engine: sa.Engine, table: sa.Table, key: int, state: str) -> None:
    owner = "worker-a" if state == "leased" else None
    with write(engine) as connection:
        connection.execute(table.update().where(table.c.id == key).values(state=state, lease_owner=owner))


@pytest.mark.parametrize("before", list(JobState))
def test_job_functions__from_every_state__do_what_the_table_says(engine: sa.Engine, before: JobState) -> None:
    steps = {
        Step.CLAIM: lambda key, held: claim(engine, "worker-a", NOON, policy=POLICY)[0],
        Step.FINISH: lambda key, held: finish(engine, held, [], [], NOON),
        Step.POSTPONE: lambda key, held: fail(engine, held, ("x", "w"), retryable=True, now=NOON, policy=POLICY),
        Step.FAIL: lambda key, held: fail(engine, held, ("x", "w"), retryable=False, now=NOON, policy=POLICY),
        Step.CANCEL: lambda key, held: cancel(engine, key, who="someone", now=NOON),
        Step.RETRY: lambda key, held: retry(engine, key, who="someone", now=NOON),
    }
    for number, (step, act) in enumerate(steps.items(), start=1):
        key = job(engine, number)
        held = claimed(engine)
        set_state(engine, jobs, key, before)
        expected = JOB_STEPS.get((before, step))
        if expected is None:
            with pytest.raises((NotAllowed, LeaseLost, IndexError)):
                act(key, held)
        else:
            act(key, held)
        with write(engine) as connection:
            found = connection.execute(sa.select(jobs.c.state).where(jobs.c.id == key)).scalar_one()
            assert found is (expected or before), step
        set_state(engine, jobs, key, "done")


@pytest.mark.parametrize("before", list(DeliveryState))
def test_delivery_functions__from_every_state__do_what_the_table_says(engine: sa.Engine, before: DeliveryState) -> None:
    steps = {
        Step.CLAIM: lambda key, held: claim_deliveries(engine, "out", "worker-a", NOON, policy=SENDING)[0],
        Step.ACCEPT: lambda key, held: accept_one(engine, held, NOON),
        Step.COMMIT: lambda key, held: reported(engine, held, None),
        Step.REDELIVER: lambda key, held: reported(engine, held, 0x0112),
        Step.GIVE_UP: lambda key, held: reported(engine, held, 0x0112, most_attempts=1),
        Step.POSTPONE: lambda key, held: fail_delivery(
            engine, held, ("x", "w"), retryable=True, now=NOON, policy=SENDING
        ),
        Step.FAIL: lambda key, held: fail_delivery(engine, held, ("x", "w"), retryable=False, now=NOON, policy=SENDING),
        Step.RETRY: lambda key, held: retry_delivery(engine, key, who="someone", now=NOON),
    }
    for number, (step, act) in enumerate(steps.items(), start=1):
        job(engine, number)
        held_job = claimed(engine)
        finish(engine, held_job, [new_result(held_job)], ["out"], NOON)
        (held,) = claim_deliveries(engine, "out", "worker-a", NOON, policy=SENDING)
        set_state(engine, delivery, held.id, before)
        expected = DELIVERY_STEPS.get((before, step))
        if expected is None:
            with pytest.raises((NotAllowed, LeaseLost, IndexError)):
                act(held.id, held)
        else:
            act(held.id, held)
        with write(engine) as connection:
            found = connection.execute(sa.select(delivery.c.state).where(delivery.c.id == held.id)).scalar_one()
            assert found is (expected or before), step
        set_state(engine, delivery, held.id, "committed")
