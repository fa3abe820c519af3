from __future__ import annotations

import pytest
import sqlalchemy as sa

from node.db import DeliveryState, read
from node.jobs import (
    Accepted,
    AsSent,
    LeaseLost,
    accept,
    claim_deliveries,
    counts,
    expire_delivery_leases,
    fail_delivery,
    finish,
    heartbeat_delivery,
    list_deliveries,
    put_back,
    release_delivery_leases,
    retry_delivery,
    studies_overview,
    study_detail,
)
from tests.node.queued import NOON, SENDING, accept_one, claimed, job, new_result, reported, seconds


@pytest.fixture
def sent_out(engine: sa.Engine) -> sa.Engine:
    """A job done, with an SR and a SEG on their way to two peers."""
    job(engine)
    held = claimed(engine)
    finish(engine, held, [new_result(held, "SR"), new_result(held, "SEG")], ["pacs", "out"], NOON)
    return engine


def test_claim__one_destination_failing__leaves_the_other_alone(sent_out: sa.Engine) -> None:
    for held in claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING):
        fail_delivery(sent_out, held, ("dimse.refused", "refused"), retryable=True, now=NOON, policy=SENDING)
    for held in claim_deliveries(sent_out, "out", "outbox", NOON, policy=SENDING):
        accept_one(sent_out, held, NOON + seconds(1))
    with read(sent_out) as connection:
        totals = counts(connection)
    assert totals.deliveries == {"pacs": {DeliveryState.READY: 2}, "out": {DeliveryState.ACCEPTED: 2}}


def test_fail__every_attempt__is_a_dead_letter_until_someone_retries(sent_out: sa.Engine) -> None:
    now = NOON
    for _ in range(SENDING.max_attempts):
        (held,) = claim_deliveries(sent_out, "pacs", "outbox", now, policy=SENDING, limit=1)
        fail_delivery(sent_out, held, ("dimse.aborted", "aborted"), retryable=True, now=now, policy=SENDING)
        for other in claim_deliveries(sent_out, "pacs", "outbox", now, policy=SENDING):
            put_back(sent_out, other, now)
        now += seconds(1000)
    with read(sent_out) as connection:
        (dead,) = list_deliveries(connection, state=DeliveryState.FAILED)
    assert dead.error == "aborted (given up after 3 attempts)"
    retry_delivery(sent_out, dead.id, who="someone", now=now)
    again = claim_deliveries(sent_out, "pacs", "outbox", now, policy=SENDING)
    assert [(each.id, each.attempt) for each in again if each.id == dead.id] == [(dead.id, 1)]


def test_accept__remark_holds_what_no_text_can__is_accepted_with_the_rest_of_it(sent_out: sa.Engine) -> None:
    first, second = claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING)
    accept(sent_out, [Accepted(delivery=first, at=NOON, sent=AsSent(note="coerced\0\ud83d"))])
    fail_delivery(sent_out, second, ("dimse.refused", "no\0way"), retryable=False, now=NOON, policy=SENDING)
    with read(sent_out) as connection:
        found = {each.id: each for each in list_deliveries(connection, destination="pacs")}
    assert (found[first.id].state, found[first.id].note) == (DeliveryState.ACCEPTED, "coerced ?")
    assert (found[second.id].state, found[second.id].error) == (DeliveryState.FAILED, "no way")


def test_put_back__claimed_with_one_that_failed__costs_no_attempt(sent_out: sa.Engine) -> None:
    for _ in range(SENDING.max_attempts + 2):
        for held in claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING):
            assert held.attempt == 1
            put_back(sent_out, held, NOON)


def test_expire__sender_was_killed__is_sent_by_another(sent_out: sa.Engine) -> None:
    (slow, *_) = claim_deliveries(sent_out, "pacs", "outbox-a", NOON, policy=SENDING, limit=1)
    assert expire_delivery_leases(sent_out, NOON + seconds(61), policy=SENDING) == 1
    assert not heartbeat_delivery(sent_out, slow, NOON + seconds(62), policy=SENDING)
    (quick, *_) = claim_deliveries(sent_out, "pacs", "outbox-b", NOON + seconds(400), policy=SENDING, limit=1)
    assert quick.id == slow.id
    with pytest.raises(LeaseLost):
        accept_one(sent_out, slow, NOON + seconds(401))
    accept_one(sent_out, quick, NOON + seconds(402))


def test_heartbeat__in_time__keeps_the_lease(sent_out: sa.Engine) -> None:
    (held,) = claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING, limit=1)
    assert heartbeat_delivery(sent_out, held, NOON + seconds(50), policy=SENDING)
    assert expire_delivery_leases(sent_out, NOON + seconds(100), policy=SENDING) == 0


def test_release__sender_is_gone__is_ready_at_once(sent_out: sa.Engine) -> None:
    claim_deliveries(sent_out, "pacs", "gone", NOON, policy=SENDING)
    assert release_delivery_leases(sent_out, lambda owner: owner == "gone", NOON, policy=SENDING) == 2
    assert len(claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING)) == 2


def test_commit__accepted_delivery__is_committed_with_its_time(sent_out: sa.Engine) -> None:
    (held,) = claim_deliveries(sent_out, "pacs", "outbox", NOON, policy=SENDING, limit=1)
    accept_one(sent_out, held, NOON + seconds(1), commits=True)
    reported(sent_out, held, None, at=NOON + seconds(2))
    with read(sent_out) as connection:
        (found,) = list_deliveries(connection, state=DeliveryState.COMMITTED)
    assert (found.accepted_at, found.committed_at) == (NOON + seconds(1), NOON + seconds(2))


def test_status__of_a_study__shows_everything_that_hangs_on_it(sent_out: sa.Engine) -> None:
    job(sent_out, 2, NOON + seconds(5))
    with read(sent_out) as connection:
        newest, older = studies_overview(connection)
        detail = study_detail(connection, older.uid)
        assert study_detail(connection, "1.2.3") is None
    assert (newest.uid, newest.jobs, newest.deliveries) == ("1.2.826.2", {"ready": 1}, {})
    assert (older.instances, older.revisions, older.closed_by) == (1, 1, "quiet")
    assert (older.jobs, older.deliveries) == ({"done": 1}, {"ready": 4})
    assert detail is not None
    assert detail.overview == older
    assert [each.role for each in detail.results] == ["SR", "SEG"]
    assert {each.destination for each in detail.deliveries} == {"pacs", "out"}


def test_counts__of_everything__are_by_state(sent_out: sa.Engine) -> None:
    job(sent_out, 2, NOON + seconds(5))
    with read(sent_out) as connection:
        totals = counts(connection)
    assert (totals.instances, totals.studies, totals.unrouted_revisions) == (2, {"closed": 2}, 0)
    assert totals.jobs == {"done": 1, "ready": 1}
    assert totals.oldest_ready_job_at == NOON + seconds(5)
