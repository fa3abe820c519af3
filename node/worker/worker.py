"""The worker role: claims jobs, runs them, and survives all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from integration.results import warm_up
from node.clock import now_utc
from node.config import Settings
from node.db import DatabaseUnavailable, connect
from node.installed import installed, tell_refusals
from node.jobs import Job, LeaseLost, claim, fail, finish, heartbeat, owner_name
from node.jobs.looks import LOOK_ROUTE, finish_look, look_policy
from node.logs import log_context, masked
from node.looking import Lookers
from node.looking.lookers import KINDS, looker_of
from node.roles import OUTBOX, SCHEDULER, WORKER, Stop
from node.wake import Wake
from node.worker.errors import JobStopped, failure_of
from node.worker.patient import PatientCheck
from node.worker.resident import engine_of, shared, warm_engine
from node.worker.running import Runner

WRITE_ATTEMPTS_S: Final = (0.1, 0.5, 1.0, 2.0, 4.0)  # pauses while the database is away and results wait to be told

_log = logging.getLogger(__name__)


class Worker:
    """Claims and runs one job after the other, in one thread.

    Parameters
    ----------
    settings
        The node's settings.
    database
        The database.
    runner
        Runs a job.
    clock
        Gives the time.
    """

    def __init__(
        self,
        settings: Settings,
        database: sa.Engine,
        runner: Runner,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._settings = settings
        self._database = database
        self._runner = runner
        self._clock = clock
        self._owner = owner_name(WORKER)
        self._database_away = False

    def run(self, stop: Stop) -> None:
        """Work until stopped; a job that was begun is ended."""
        with Wake(self._settings.data_dir, WORKER) as wake:
            while not stop.is_set():
                if not self._step_safely(wake):
                    wake.wait(self._settings.jobs.poll_s)

    def step(self, wake: Wake) -> bool:
        """Run the job whose turn it is; False when none is waiting."""
        held = claim(self._database, self._owner, self._clock(), policy=self._settings.jobs)
        for job in held:
            self._run(job, wake)
        return bool(held)

    def _step_safely(self, wake: Wake) -> bool:
        try:
            busy = self.step(wake)
        except DatabaseUnavailable as error:
            if not self._database_away:
                _log.error("Jobs wait for the database", extra=log_context(reason=str(error)))
            self._database_away = True
            return False
        except Exception as error:  # noqa: BLE001 - the worker outlives whatever happens
            _log.error("A job's step failed unexpectedly", exc_info=masked(error), extra=log_context(action="step"))
            return False
        if self._database_away:
            _log.info("Jobs go on", extra=log_context(action="step"))
        self._database_away = False
        return busy

    def _run(self, job: Job, wake: Wake) -> None:
        lost, ended = threading.Event(), threading.Event()
        beat = threading.Thread(target=self._beat, args=(job, lost, ended), name=f"heartbeat-{job.id}", daemon=True)
        beat.start()
        began = time.monotonic()
        try:
            done = self._done(job, lost.is_set)
        except JobStopped:
            _log.info("Job stopped: cancelled, or another worker has it", extra=log_context(job=job.id))
        except Exception as error:  # noqa: BLE001 - every failure belongs to its job alone
            self._failed(job, error)
        else:
            self._finished(job, done, time.monotonic() - began)
            wake.ring(OUTBOX)
        finally:
            if job.route == LOOK_ROUTE:
                wake.ring(SCHEDULER)
            ended.set()
            beat.join()

    def _done(self, job: Job, lost: Callable[[], bool]) -> tuple[Callable[[], None], int]:
        """Do a job; what is given back writes down that it is done, and counts its results."""
        if job.route == LOOK_ROUTE:
            saw = self._runner.look(job, lost)
            return lambda: finish_look(self._database, job, saw, self._clock()), 0
        results = self._runner.run(job, lost)
        destinations = () if job.mode == "shadow" else job.send_to
        takes = self._settings.takes
        return lambda: finish(self._database, job, results, destinations, self._clock(), takes=takes), len(results)

    def _finished(self, job: Job, done: tuple[Callable[[], None], int], seconds: float) -> None:
        write_down, count = done
        about = log_context(job=job.id, task=job.task, study=job.study_uid, count=count, duration_s=round(seconds, 3))
        if self._tell(write_down, job):
            _log.info("Job done", extra=about)

    def _failed(self, job: Job, error: Exception) -> None:
        failure = failure_of(error)
        why = (failure.code, failure.words)
        again = failure.retryable
        policy = look_policy(self._settings.jobs) if job.route == LOOK_ROUTE else self._settings.jobs

        def write_down() -> None:
            fail(self._database, job, why, retryable=again, now=self._clock(), policy=policy)

        about = log_context(job=job.id, task=job.task, study=job.study_uid, attempt=job.attempt, code=failure.code)
        if failure.expected:
            _log.warning("Job failed", extra=about)
        else:
            _log.error("Job failed unexpectedly", exc_info=masked(error), extra=about)
        self._tell(write_down, job)

    def _tell(self, write_down: Callable[[], object], job: Job) -> bool:
        """Write down how a job ended; while the database is away for a short time, keep at it."""
        for pause in (*WRITE_ATTEMPTS_S, None):
            try:
                write_down()
            except LeaseLost:
                _log.warning("Another worker has this job now, its results are dropped", extra=log_context(job=job.id))
                return False
            except DatabaseUnavailable:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return True
        return False

    def _beat(self, job: Job, lost: threading.Event, ended: threading.Event) -> None:
        while not ended.wait(self._settings.jobs.heartbeat_s):
            try:
                if not heartbeat(self._database, job, self._clock(), policy=self._settings.jobs):
                    lost.set()
                    return
            except DatabaseUnavailable:
                continue


def run_worker(settings: Settings, stop: Stop) -> None:
    """Load the task packages and run jobs until stopped.

    Raises
    ------
    PackageError
        No task package can be used.
    """
    packages, refusals = installed(settings)
    tell_refusals(refusals)
    engine = engine_of(packages, settings.models, likely=settings.results.segmentation == "fractional")
    warm_up()
    warm_engine(engine)
    database = connect(settings.database)
    runner = Runner(
        settings=settings,
        database=database,
        engine=engine,
        packages={package.identity.task: package.identity for package in packages},
        patients=PatientCheck(settings.archive_dir),
        lookers=Lookers(each=tuple(looker_of(package) for package in packages if package.card.settings.kind in KINDS)),
    )
    threads = [
        threading.Thread(target=Worker(settings, database, runner).run, args=(stop,), name=f"worker-{number}")
        for number in range(settings.jobs.workers)
    ]
    _log.info("Worker ready", extra=log_context(count=len(packages), worker=str(len(threads))))
    with shared(engine, settings.data_dir):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    engine.close()
    database.dispose()
