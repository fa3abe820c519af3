"""The scheduler: from received files to jobs, whatever is in the way."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.findings import TaskIdentity
from node.archive import Archive
from node.config import Settings
from node.db import connect, read
from node.jobs import Job, claim, list_jobs, owner_name, studies_overview
from node.routing import compile_routes
from node.scheduler import Scheduler, run_until_stopped
from node.wake import Wake
from tests.node.received import receive, study_uid

PACKAGE = TaskIdentity(task="fetal-head", version="1", digest="sha256:" + "a" * 64, encoder_digest="")
QUIET_S = 5


class Bench:
    """A scheduler with a clock of its own on a real archive and database."""

    def __init__(self, folder: Path, template: Path) -> None:
        (folder / "var").mkdir()
        self.database = folder / "var" / "node.db"
        shutil.copy(template, self.database)
        self.settings = Settings.model_validate(
            {
                "node": {"data_dir": str(folder / "var"), "study_quiet_s": QUIET_S},
                "routes": [{"name": "all", "when": "calling_ae == 'US1'", "task": "fetal-head", "send_to": ["out"]}],
                "jobs": {"poll_s": 0.05, "max_attempts": 3},
            }
        )
        self.now = datetime.now(UTC)
        self.engine = connect(f"sqlite:///{self.database}")
        self.archive = Archive(self.settings.archive_dir)
        self.wake = Wake(self.settings.data_dir, "scheduler")
        routes = compile_routes(self.settings, [PACKAGE])
        self.scheduler = Scheduler(self.settings, self.engine, self.archive, routes, self.wake, clock=lambda: self.now)

    def receive(self, study: int, number: int = 1, content: str = "first") -> None:
        receive(self.archive, study, number, content, self.now)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def jobs(self) -> tuple[Job, ...]:
        with read(self.engine) as connection:
            return list_jobs(connection)

    def close(self) -> None:
        self.wake.close()
        self.archive.close()
        self.engine.dispose()


@pytest.fixture
def bench(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, migrated_sqlite)
    yield made
    made.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_step__study_received__waits_exactly_for_the_quiet_time_then_makes_its_jobs(bench: Bench) -> None:
    bench.receive(1, 1)
    bench.receive(1, 2)
    assert bench.scheduler.step() == pytest.approx(bench.settings.jobs.poll_s)
    bench.later(QUIET_S - 0.02)
    assert bench.scheduler.step() == pytest.approx(0.02, abs=0.001)
    assert bench.jobs() == ()
    bench.later(0.02)
    bench.scheduler.step()
    assert len(bench.jobs()) == 2
    assert {job.study_uid for job in bench.jobs()} == {study_uid(1)}


def test_step__jobs_made__workers_are_rung(bench: Bench) -> None:
    with Wake(bench.settings.data_dir, "worker") as worker:
        bench.receive(1)
        bench.scheduler.step()
        assert not worker.wait(0)
        bench.later(QUIET_S)
        bench.scheduler.step()
        assert worker.wait(0)


def test_step__late_clip__only_its_own_job_is_new(bench: Bench) -> None:
    bench.receive(1, 1)
    bench.later(QUIET_S)
    bench.scheduler.step()
    (first,) = bench.jobs()
    bench.receive(1, 2)
    bench.later(QUIET_S)
    bench.scheduler.step()
    assert {job.identity for job in bench.jobs()} > {first.identity}
    assert [job.revision_number for job in bench.jobs()] == [2, 1]


def test_step__same_bytes_again__nothing_new_runs(bench: Bench) -> None:
    for _ in range(2):
        bench.receive(1, 1)
        bench.later(QUIET_S)
        bench.scheduler.step()
    assert len(bench.jobs()) == 1


def test_step__files_from_before_the_start__are_indexed(bench: Bench) -> None:
    for study in range(1, 4):
        bench.receive(study)
    bench.later(QUIET_S)
    bench.scheduler.start()
    bench.scheduler.step()
    assert {job.study_uid for job in bench.jobs()} == {study_uid(study) for study in range(1, 4)}


def test_step__one_study_cannot_be_routed__the_others_are(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.receive(1)
    bench.receive(2)
    bench.later(QUIET_S)
    facts = bench.scheduler._facts

    def poisoned(each: object) -> object:
        if each.study_uid == study_uid(1):  # type: ignore[attr-defined]
            raise ArithmeticError("MARKED^NAME")
        return facts(each)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.scheduler, "_facts", poisoned)
    bench.scheduler.step()
    assert {job.study_uid for job in bench.jobs()} == {study_uid(2)}
    monkeypatch.undo()
    bench.scheduler.step()
    assert {job.study_uid for job in bench.jobs()} == {study_uid(1), study_uid(2)}


def test_step__worker_process_gone__its_job_is_ready_again_at_once(bench: Bench) -> None:
    bench.receive(1)
    bench.later(QUIET_S)
    bench.scheduler.step()
    gone = owner_name("worker").rpartition(":")[0] + ":0-0"  # this pid, another start time
    claim(bench.engine, gone, bench.now, policy=bench.settings.jobs)
    bench.later(3)
    bench.scheduler.step()
    (job,) = bench.jobs()
    assert job.state == "ready"
    assert job.attempt == 1


def test_step__worker_lives__its_job_stays_leased(bench: Bench) -> None:
    bench.receive(1)
    bench.later(QUIET_S)
    bench.scheduler.step()
    claim(bench.engine, owner_name("worker"), bench.now, policy=bench.settings.jobs)
    bench.later(3)
    bench.scheduler.step()
    (job,) = bench.jobs()
    assert job.state == "leased"


class _Stop:
    def __init__(self) -> None:
        self.event = threading.Event()

    def is_set(self) -> bool:
        return self.event.is_set()


def test_loop__database_locked_for_a_while__recovers_alone_and_says_so_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.db.dialect.BUSY_TIMEOUT_S", 0.05)
    engine = connect(f"sqlite:///{bench.database}")
    monkeypatch.setattr(bench.scheduler, "_engine", engine)
    lock = sqlite3.connect(bench.database, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    bench.receive(1)
    stop = _Stop()
    thread = threading.Thread(target=run_until_stopped, args=(bench.scheduler, bench.wake, stop, bench.settings))
    thread.start()
    try:
        wait_for(lambda: any("Scheduling waits" in record.message for record in caplog.records))
        lock.execute("COMMIT")
        wait_for(lambda: _known(engine, study_uid(1)))
    finally:
        stop.event.set()
        thread.join()
        lock.close()
        engine.dispose()
    assert sum("Scheduling waits" in record.message for record in caplog.records) == 1
    assert list(bench.archive.incoming()) == []


def _known(engine: sa.Engine, uid: str) -> bool:
    with read(engine) as connection:
        return bool(studies_overview(connection, uid=uid))
