from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from node.config import Priority, Route
from node.db import JobState, read, write
from node.db.tables import delivery, event
from node.db.tables import job as jobs
from node.jobs import (
    JobError,
    LeaseLost,
    NotAllowed,
    NotFound,
    NotInRevision,
    cancel,
    claim,
    claim_deliveries,
    expire_leases,
    fail,
    finish,
    heartbeat,
    inputs_of,
    is_gone,
    list_events,
    list_jobs,
    owner_name,
    predecessor_results,
    release_leases,
    retry,
    route_digest,
)
from node.jobs.leases import CLAIMS_PER_ATTEMPT, backoff
from node.studies import Signal, arrive, close_study
from tests.node.queued import (
    NOON,
    POLICY,
    SENDING,
    arrival,
    claimed,
    closed_revision,
    enqueue,
    job,
    new_result,
    plan,
    seconds,
)


def state_of(engine: sa.Engine, key: int) -> JobState:
    with read(engine) as connection:
        return connection.execute(sa.select(jobs.c.state).where(jobs.c.id == key)).scalar_one()


def test_create__planned_twice__makes_one_job(engine: sa.Engine) -> None:
    revision = closed_revision(engine)
    wanted = plan(engine, revision)
    assert len(enqueue(engine, wanted, of=revision)) == 1
    assert enqueue(engine, wanted, of=revision) == ()


def test_create__late_instance_outside_the_selection__runs_nothing_again(engine: sa.Engine) -> None:
    first = closed_revision(engine)
    wanted = plan(engine, first)
    enqueue(engine, wanted, of=first)
    with write(engine) as connection:
        arrive(connection, arrival(1, 2), quiet_s=30, now=NOON)
        second = close_study(connection, first.study_uid, Signal.QUIET, NOON)
    assert second is not None
    assert second.number == 2
    everything = plan(engine, second, "everything")
    new = enqueue(engine, plan(engine, second, instance_ids=wanted.instance_ids), everything, of=second)
    with read(engine) as connection:
        assert [(each.id in new, each.route, each.revision_number) for each in list_jobs(connection)] == [
            (True, "everything", 2),
            (False, "fetal", 1),
        ]


def test_create__plan_names_an_instance_of_another_study__is_refused_whole(engine: sa.Engine) -> None:
    mine, other = closed_revision(engine, 1), closed_revision(engine, 2)
    with pytest.raises(NotInRevision):
        enqueue(engine, plan(engine, mine), plan(engine, other, "stray"), of=mine)
    with read(engine) as connection:
        assert list_jobs(connection) == ()


@pytest.mark.parametrize("change", [{"package_digest": "e" * 64}, {"route_digest": "e" * 64}])
def test_create__other_package_or_route_settings__is_another_job(engine: sa.Engine, change: dict[str, str]) -> None:
    revision = closed_revision(engine)
    enqueue(engine, plan(engine, revision), of=revision)
    assert len(enqueue(engine, plan(engine, revision, **change), of=revision)) == 1


def test_route_digest__only_the_priority_changed__is_the_same() -> None:
    route = Route(name="a", task="fetal-head")
    assert route_digest(route) == route_digest(route.model_copy(update={"priority": Priority.STAT}))
    assert route_digest(route) != route_digest(route.model_copy(update={"send_to": ("pacs",)}))


def test_inputs__of_a_job__are_the_selected_instances(engine: sa.Engine) -> None:
    revision = closed_revision(engine, instances=3)
    whole = plan(engine, revision)
    (key,) = enqueue(engine, plan(engine, revision, instance_ids=whole.instance_ids[1:]), of=revision)
    assert [each.sop_instance_uid for each in inputs_of(engine, key)] == ["1.2.826.1.2", "1.2.826.1.3"]


def test_claim__priorities__go_stat_routine_shadow_then_by_age(engine: sa.Engine) -> None:
    shadow = job(engine, 1, NOON, priority=Priority.SHADOW)
    late_routine = job(engine, 2, NOON + seconds(20), priority=Priority.ROUTINE)
    routine = job(engine, 3, NOON + seconds(10), priority=Priority.ROUTINE)
    stat = job(engine, 4, NOON + seconds(30), priority=Priority.STAT)
    order = [claimed(engine, at=NOON + seconds(60)).id for _ in range(4)]
    assert order == [stat, routine, late_routine, shadow]


def test_claim__job_that_waited_aging_s_longer__goes_before_a_higher_priority(engine: sa.Engine) -> None:
    waiting = job(engine, 1, NOON, priority=Priority.ROUTINE)
    just_before = job(engine, 2, NOON + seconds(POLICY.aging_s - 1), priority=Priority.STAT)
    just_after = job(engine, 3, NOON + seconds(POLICY.aging_s + 1), priority=Priority.STAT)
    order = [claimed(engine, at=NOON + seconds(2000)).id for _ in range(3)]
    assert order == [just_before, waiting, just_after]


def test_claim__again_after_a_failure__keeps_the_time_of_the_first(engine: sa.Engine) -> None:
    job(engine)
    first = claimed(engine, at=NOON + seconds(5))
    fail(engine, first, ("pixels", "words"), retryable=True, now=NOON + seconds(6), policy=POLICY)
    again = claimed(engine, "worker-b", NOON + seconds(1000))
    assert (first.claimed_first_at, again.claimed_first_at) == (NOON + seconds(5), NOON + seconds(5))
    assert (first.attempt, again.attempt) == (1, 2)


def test_claim__by_many_threads_at_once__gives_each_job_once(engine: sa.Engine) -> None:
    revision = closed_revision(engine)
    keys = enqueue(engine, *(plan(engine, revision, f"route-{n}") for n in range(24)), of=revision)
    start = threading.Barrier(4)

    def work(number: int) -> list[int]:
        start.wait(10)
        mine = []
        while found := claim(engine, f"worker-{number}", NOON, policy=POLICY, limit=2):
            mine += [each.id for each in found]
        return mine

    with ThreadPoolExecutor(4) as pool:
        got = [key for mine in pool.map(work, range(4)) for key in mine]
    assert sorted(got) == sorted(keys)


def claim_all(url: str, owner: str, found: multiprocessing.Queue) -> None:
    from node.db import connect

    engine = connect(url)
    while held := claim(engine, owner, NOON, policy=POLICY):
        found.put((owner, held[0].id))
    engine.dispose()


def test_claim__by_several_processes__gives_each_job_once(engine: sa.Engine, database_url: str) -> None:
    revision = closed_revision(engine)
    keys = enqueue(engine, *(plan(engine, revision, f"route-{n}") for n in range(16)), of=revision)
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    workers = [context.Process(target=claim_all, args=(database_url, f"worker-{n}", found)) for n in range(2)]
    for each in workers:
        each.start()
    got = [found.get(timeout=60) for _ in keys]
    for each in workers:
        each.join(60)
    assert sorted(key for _, key in got) == sorted(keys)
    assert found.empty()


def test_finish__job__is_done_with_a_delivery_per_result_and_destination(engine: sa.Engine) -> None:
    key = job(engine)
    held = claimed(engine)
    finish(engine, held, [new_result(held, "SR"), new_result(held, "SEG")], ["out", "pacs"], NOON + seconds(1))
    assert state_of(engine, key) is JobState.DONE
    for peer in ("out", "pacs"):
        waiting = claim_deliveries(engine, peer, "outbox", NOON + seconds(1), policy=SENDING)
        assert [(each.role, each.path, each.job_id) for each in waiting] == [
            ("SR", f"{held.identity}/SR.dcm", key),
            ("SEG", f"{held.identity}/SEG.dcm", key),
        ]


def test_finish__fault_while_writing_the_results__leaves_the_job_leased_without_results(engine: sa.Engine) -> None:
    key = job(engine)
    held = claimed(engine)
    twice = new_result(held)
    with pytest.raises(sa.exc.IntegrityError):
        finish(engine, held, [twice, twice], ["out"], NOON)
    assert state_of(engine, key) is JobState.LEASED
    with read(engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(delivery)).scalar_one() == 0


def test_finish__lease_ran_out_and_another_claimed__is_lost(engine: sa.Engine) -> None:
    key = job(engine)
    slow = claimed(engine, "worker-a")
    assert expire_leases(engine, NOON + seconds(61), policy=POLICY) == 1
    quick = claimed(engine, "worker-b", NOON + seconds(400))
    with pytest.raises(LeaseLost):
        finish(engine, slow, [new_result(slow)], ["out"], NOON + seconds(401))
    finish(engine, quick, [new_result(quick)], ["out"], NOON + seconds(402))
    assert state_of(engine, key) is JobState.DONE
    assert len(claim_deliveries(engine, "out", "outbox", NOON + seconds(403), policy=SENDING)) == 1


def test_finish__same_owner_lost_and_claimed_again__only_the_newer_lease_counts(engine: sa.Engine) -> None:
    job(engine)
    older = claimed(engine, "worker-a")
    expire_leases(engine, NOON + seconds(61), policy=POLICY)
    newer = claimed(engine, "worker-a", NOON + seconds(400))
    assert not heartbeat(engine, older, NOON + seconds(401), policy=POLICY)
    with pytest.raises(LeaseLost):
        finish(engine, older, [], [], NOON + seconds(401))
    assert heartbeat(engine, newer, NOON + seconds(401), policy=POLICY)


def test_expire__heartbeat_came__keeps_the_lease(engine: sa.Engine) -> None:
    job(engine)
    held = claimed(engine)
    assert heartbeat(engine, held, NOON + seconds(50), policy=POLICY)
    assert expire_leases(engine, NOON + seconds(109), policy=POLICY) == 0
    assert expire_leases(engine, NOON + seconds(110), policy=POLICY) == 1


def test_expire__every_attempt_killed_its_worker__is_a_dead_letter_with_the_reason(engine: sa.Engine) -> None:
    key = job(engine)
    now = NOON
    for _ in range(POLICY.max_attempts):
        claimed(engine, at=now)
        now += seconds(61)
        expire_leases(engine, now, policy=POLICY)
    assert claim(engine, "worker", now + seconds(9999), policy=POLICY) == ()
    with read(engine) as connection:
        (dead,) = list_jobs(connection)
    assert (dead.id, dead.state, dead.error_code) == (key, JobState.FAILED, "lease_expired")
    assert "stopped answering" in (dead.error or "")
    assert "after 3 attempts" in (dead.error or "")


def test_release__worker_of_the_last_run_is_gone__gives_its_job_back_without_cost(engine: sa.Engine) -> None:
    key = job(engine)
    claimed(engine, "gone")
    assert release_leases(engine, lambda owner: owner == "other", NOON, policy=POLICY) == 0
    assert release_leases(engine, lambda owner: owner == "gone", NOON, policy=POLICY) == 1
    again = claimed(engine, "worker-b")
    assert (again.id, again.attempt, again.claims) == (key, 1, 2)


def test_release__node_dies_every_time__is_a_dead_letter_in_the_end(engine: sa.Engine) -> None:
    key = job(engine)
    for _ in range(POLICY.max_attempts * CLAIMS_PER_ATTEMPT):
        claimed(engine)
        release_leases(engine, lambda _: True, NOON, policy=POLICY)
    assert state_of(engine, key) is JobState.FAILED


def test_fail__can_be_retried__waits_longer_each_time_then_gives_up_in_words(engine: sa.Engine) -> None:
    key = job(engine)
    now = NOON
    for attempt in range(1, POLICY.max_attempts + 1):
        held = claimed(engine, at=now)
        ended = fail(engine, held, ("device.busy", "the device is busy"), retryable=True, now=now, policy=POLICY)
        assert ended is (JobState.READY if attempt < POLICY.max_attempts else JobState.FAILED)
        now += seconds(POLICY.backoff_max_s)
    with read(engine) as connection:
        (dead,) = list_jobs(connection, state=JobState.FAILED)
    assert (dead.id, dead.error_code, dead.finished_at) == (key, "device.busy", now - seconds(POLICY.backoff_max_s))
    assert dead.error == "the device is busy (given up after 3 attempts)"


def test_fail__cannot_be_retried__is_a_dead_letter_at_once(engine: sa.Engine) -> None:
    key = job(engine)
    fail(engine, claimed(engine), ("patient", "PatientID differs"), retryable=False, now=NOON, policy=POLICY)
    assert state_of(engine, key) is JobState.FAILED


def test_backoff__by_attempt__doubles_its_limit_up_to_the_longest() -> None:
    limits = [backoff(attempt, POLICY, lambda low, high: high).total_seconds() for attempt in (1, 2, 3, 8, 9, 5000)]
    assert limits == [2, 4, 8, 256, 300, 300]
    assert backoff(3, POLICY, lambda low, high: low).total_seconds() == 0


def test_retry__dead_letter__starts_anew_with_all_attempts(engine: sa.Engine) -> None:
    key = job(engine)
    fail(engine, claimed(engine), ("x", "words"), retryable=False, now=NOON, policy=POLICY)
    retry(engine, key, who="someone", now=NOON + seconds(10))
    held = claimed(engine, at=NOON + seconds(10))
    assert (held.attempt, held.error) == (1, None)


def test_cancel__running_job__stops_its_heartbeat_and_its_results(engine: sa.Engine) -> None:
    key = job(engine)
    held = claimed(engine)
    cancel(engine, key, who="someone", now=NOON)
    assert not heartbeat(engine, held, NOON, policy=POLICY)
    with pytest.raises(LeaseLost):
        finish(engine, held, [new_result(held)], ["out"], NOON)
    assert state_of(engine, key) is JobState.CANCELLED


@pytest.mark.parametrize("step", [cancel, retry])
def test_command__on_a_job_that_is_done__is_refused(engine: sa.Engine, step: object) -> None:
    key = job(engine)
    finish(engine, claimed(engine), [], [], NOON)
    with pytest.raises(NotAllowed, match="a job that is done cannot be"):
        step(engine, key, who="someone", now=NOON)


def test_command__on_a_job_that_is_not_there__says_so(engine: sa.Engine) -> None:
    with pytest.raises(NotFound, match="no job 77") as caught:
        cancel(engine, 77, who="someone", now=NOON)
    assert isinstance(caught.value, JobError)


def test_predecessor__of_a_revisions_job__is_the_done_one_before_on_the_same_image(engine: sa.Engine) -> None:
    first = closed_revision(engine, instances=2)
    image, neighbour = plan(engine, first).instance_ids
    enqueue(
        engine,
        plan(engine, first, instance_ids=(image,)),
        plan(engine, first, instance_ids=(neighbour,)),
        plan(engine, first, "other"),
        of=first,
    )
    for _ in range(3):
        held = claimed(engine)
        finish(engine, held, [new_result(held)], [], NOON)
    with write(engine) as connection:
        arrive(connection, arrival(1, 3), quiet_s=30, now=NOON)
        second = close_study(connection, first.study_uid, Signal.QUIET, NOON)
    late = plan(engine, second).instance_ids[-1]
    enqueue(engine, plan(engine, second), of=second)
    held = claimed(engine)
    assert held.revision_number == 2
    with read(engine) as connection:
        routes = {each.id: each.route for each in list_jobs(connection)}
    for mine in (image, neighbour):
        (before,) = predecessor_results(engine, held, mine)
        assert routes[before.job_id] == "fetal"
        assert [each.id for each in inputs_of(engine, before.job_id)] == [mine]
    assert predecessor_results(engine, held, late) == ()


def test_events__of_a_jobs_life__tell_who_did_what_in_order(engine: sa.Engine) -> None:
    key = job(engine)
    fail(engine, claimed(engine, "a"), ("x", "words"), retryable=False, now=NOON, policy=POLICY)
    retry(engine, key, who="someone", now=NOON)
    finish(engine, claimed(engine, "b"), [], [], NOON)
    with read(engine) as connection:
        told = [(each.who, each.what) for each in list_events(connection, kind="job", key=key)]
    assert told == [
        ("scheduler", "job.created"),
        ("a", "job.claimed"),
        ("a", "job.failed"),
        ("someone", "job.retried"),
        ("b", "job.claimed"),
        ("b", "job.finished"),
    ]


def test_events__refused_step__leaves_none(engine: sa.Engine) -> None:
    key = job(engine)
    held = claimed(engine)
    cancel(engine, key, who="someone", now=NOON)
    with read(engine) as connection:
        before = connection.execute(sa.select(sa.func.count()).select_from(event)).scalar_one()
    with pytest.raises(LeaseLost):
        finish(engine, held, [], [], NOON)
    with read(engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(event)).scalar_one() == before


def test_owner__this_process__is_not_gone_and_one_that_ended_is() -> None:
    assert not is_gone(owner_name("worker"))
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    child = context.Process(target=_put_name, args=(found,))
    child.start()
    name = found.get(timeout=60)
    child.join(60)
    assert is_gone(name)


def _put_name(found: multiprocessing.Queue) -> None:
    found.put(owner_name("worker"))


@pytest.mark.parametrize("owner", ["worker@elsewhere:1:abc-1", "worker-a", ""])
def test_owner__of_another_host_or_unknown__is_never_called_gone(owner: str) -> None:
    assert not is_gone(owner)


def test_owner__process_id_was_given_to_another_process__is_gone() -> None:
    assert is_gone(owner_name("worker") + "1")
