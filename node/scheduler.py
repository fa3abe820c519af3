"""The scheduler role: indexes what was received, closes studies, routes them, takes back lost work, and delivers.

It does one thing after the other in one thread, each safe to repeat; deliveries run in threads beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from node.archive import Archive, ArchiveError
from node.clock import now_utc
from node.config import Settings
from node.db import DatabaseUnavailable, connect, migrate, read, write
from node.installed import installed, tell_refusals
from node.jobs import (
    create_jobs,
    expire_delivery_leases,
    expire_leases,
    is_gone,
    release_delivery_leases,
    release_leases,
)
from node.jobs.looks import drop_outdated_looks
from node.logs import log_context, masked
from node.looking import NOBODY, Lookers, ViewBeforeRouting, lookers_of
from node.outbox import Outbox
from node.pulling import Fetchers, PriorFetcher, PriorsBeforeJobs, Step
from node.renewal import renew_outdated
from node.roles import FETCHER, OUTBOX, SCHEDULER, WORKER, Stop
from node.routing import InstanceFacts, Routes, compile_routes, read_header
from node.services import Reporters, judge_commitments
from node.studies import (
    Hold,
    Revision,
    StoredInstance,
    close_due,
    index_incoming,
    instances_of,
    next_quiet,
    settle_announcements,
    unrouted_revisions,
)
from node.wake import Wake
from node.workitems import Performer, WorkitemFetcher

TAKE_BACK_S: Final = 2.0  # between two looks for lost leases
LEAST_WAIT_S: Final = 0.005

_log = logging.getLogger(__name__)


class Scheduler:
    """One look at everything that is due, as often as it is called.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database, migrated.
    archive
        The archive of received instances.
    routes
        The compiled rules.
    wake
        To wake workers and outbox with.
    clock
        Gives the time.
    lookers
        The packages that look at images before the rules are applied.
    """

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        archive: Archive,
        routes: Routes,
        wake: Wake,
        clock: Callable[[], datetime] = now_utc,
        *,
        lookers: Lookers = NOBODY,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._archive = archive
        self._routes = routes
        self._wake = wake
        self._clock = clock
        self._before = ViewBeforeRouting(engine=engine, routes=routes, lookers=lookers, policy=settings.jobs)
        self._priors = PriorsBeforeJobs(settings=settings, engine=engine, root=archive.root)
        self._performer = Performer(settings, engine, routes, self._facts)
        self._took_back: datetime | None = None
        self._unroutable: set[int] = set()  # revisions that failed unexpectedly, told once

    @property
    def prior_sources(self) -> frozenset[str]:
        """The peers that some route asks for priors."""
        return self._priors.sources

    def start(self) -> None:
        """Take up the work of the last run.

        What processes hold that were killed with it is given back, which does not count against the work; what waits
        for a task package that was replaced goes to the one that is installed.
        """
        now = self._clock()
        jobs = release_leases(self._engine, is_gone, now, policy=self._settings.jobs)
        deliveries = release_delivery_leases(self._engine, is_gone, now, policy=self._settings.outbox)
        renewed = renew_outdated(self._engine, self._routes, now, policy=self._settings.jobs)
        drop_outdated_looks(self._engine, self._before.lookers.digests, now)
        self._priors.start(now)
        self._performer.start(now)
        if renewed:
            _log.info("Waiting jobs go to the task packages installed now", extra=log_context(count=renewed))
        if jobs or deliveries or renewed:
            _log.info("Work of the last run goes on", extra=log_context(count=jobs + deliveries))
            self._wake.ring(WORKER)
            self._wake.ring(OUTBOX)

    def step(self) -> float:
        """Do everything that is due.

        Returns
        -------
        float
            Seconds until something may be due again, if nothing happens before.

        Raises
        ------
        DatabaseUnavailable, ArchiveError
            What was done stays done; the rest waits for the next step.
        """
        self._take_back()
        began, node = self._clock(), self._settings.node
        hold = Hold(seconds=node.step_hold_s, believed_s=node.announced_keep_s)
        indexed = index_incoming(self._archive, self._engine, quiet_s=node.study_quiet_s, now=self._clock(), hold=hold)
        judge_commitments(self._engine, self._archive.root, began, left=indexed.left)
        if not indexed.left:
            self._priors.settle(began, self._clock())
        settle_announcements(self._engine, self._clock(), keep_s=node.announced_keep_s)
        close_due(self._engine, self._clock())
        with read(self._engine) as connection:
            waiting = unrouted_revisions(connection)
        made = sum([self._route_safely(revision) for revision in waiting])
        made += self._performer.step(self._clock())
        if made:
            self._wake.ring(WORKER)
        return self._wait_s()

    def _wait_s(self) -> float:
        with read(self._engine) as connection:
            quiet = next_quiet(connection)
        longest = self._settings.jobs.poll_s
        if quiet is None:
            return longest
        return min(longest, max(LEAST_WAIT_S, (quiet - self._clock()).total_seconds()))

    def _take_back(self) -> None:
        now = self._clock()
        if self._took_back is not None and (now - self._took_back).total_seconds() < TAKE_BACK_S:
            return
        self._took_back = now
        jobs = expire_leases(self._engine, now, policy=self._settings.jobs, gone=is_gone)
        if jobs:
            _log.warning("Jobs whose worker is gone were taken back", extra=log_context(count=jobs))
            self._wake.ring(WORKER)
        deliveries = expire_delivery_leases(self._engine, now, policy=self._settings.outbox, gone=is_gone)
        if deliveries:
            _log.warning("Deliveries whose sender is gone were taken back", extra=log_context(count=deliveries))
            self._wake.ring(OUTBOX)

    def _route_safely(self, revision: Revision) -> int:
        try:
            return self._route(revision)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one study that cannot be routed holds up no other
            if revision.id not in self._unroutable:
                self._unroutable.add(revision.id)
                about = log_context(study=revision.study_uid, revision=revision.number)
                _log.error("A study cannot be routed", exc_info=masked(error), extra=about)
            return 0

    def _route(self, revision: Revision) -> int:
        if self._before.waits(revision) or self._priors.waits(revision, self._clock()):
            return 0
        with read(self._engine) as connection:
            instances = instances_of(connection, revision.id)
        facts = [self._facts(each) for each in instances]
        asked = self._before.ask(revision, facts, self._clock())
        if asked:
            return asked
        seen = self._before.seen(revision, facts, self._clock())
        planned = self._routes.plan([replace(each, view=seen.get(each.id, {})) for each in facts])
        waiting = self._priors.ask(revision, planned, self._clock())
        at_once = [plan for plan in planned if plan.route not in waiting]
        with write(self._engine) as connection:
            new = create_jobs(
                connection, revision, at_once, now=self._clock(), policy=self._settings.jobs, complete=not waiting
            )
        about = log_context(study=revision.study_uid, revision=revision.number, count=len(new))
        if waiting:
            self._wake.ring(FETCHER)
            _log.info("Priors are asked for before jobs start", extra=about)
        else:
            _log.info("Study routed", extra=about)
        return len(new)

    def _facts(self, each: StoredInstance) -> InstanceFacts:
        return InstanceFacts(
            id=each.id,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class,
            study_uid=each.study_uid,
            series_uid=each.series_uid,
            calling_ae=each.calling_ae,
            called_ae=each.called_ae,
            header=read_header(self._archive.root / each.path),
        )


def run_scheduler(settings: Settings, stop: Stop) -> None:
    """Schedule until stopped.

    Raises
    ------
    ConfigError
        The routes cannot be used.
    """
    packages, refusals = installed(settings)
    tell_refusals(refusals)
    routes = compile_routes(settings, [package.identity for package in packages])
    lookers = lookers_of(packages, routes)
    with Wake(settings.data_dir, SCHEDULER) as wake:
        engine, archive = connect(settings.database), Archive(settings.archive_dir)
        scheduler = Scheduler(settings, engine, archive, routes, wake, lookers=lookers)
        outbox, reporters = Outbox(settings, engine), Reporters(settings, engine)
        kept = Archive(settings.archive_dir, settings.node.min_free_bytes)
        fetchers = Fetchers(settings, _steps(settings, engine, kept, scheduler.prior_sources))
        try:
            _until_done(lambda: migrate(engine), wake, stop, settings)
            _until_done(scheduler.start, wake, stop, settings)
            outbox.start()
            reporters.start()
            fetchers.start()
            _log.info("Scheduler ready", extra=log_context(count=len(routes.rules)))
            run_until_stopped(scheduler, wake, stop, settings)
        finally:
            fetchers.stop()
            reporters.stop()
            outbox.stop()
            kept.close()
            archive.close()
            engine.dispose()


def _steps(
    settings: Settings, engine: sa.Engine, archive: Archive, prior_sources: Collection[str]
) -> dict[str, list[Step]]:
    """What is fetched from each peer."""
    steps: dict[str, list[Step]] = {}
    for source in settings.askable:
        if source in prior_sources:
            steps.setdefault(source, []).append(PriorFetcher(settings, engine, archive, source).step)
        if settings.workitems.perform:
            steps.setdefault(source, []).append(WorkitemFetcher(settings, engine, archive, source).step)
    return steps


def run_until_stopped(scheduler: Scheduler, wake: Wake, stop: Stop, settings: Settings) -> None:
    trouble = ""
    while not stop.is_set():
        wait_s = settings.jobs.poll_s
        try:
            wait_s = scheduler.step()
        except (DatabaseUnavailable, ArchiveError) as error:
            if error.code != trouble:
                _log.error("Scheduling waits", extra=log_context(code=error.code, reason=str(error)))
            trouble = error.code
        except Exception as error:  # noqa: BLE001 - the scheduler outlives whatever happens
            _log.error("Scheduling failed unexpectedly", exc_info=masked(error), extra=log_context(action="step"))
        else:
            if trouble:
                _log.info("Scheduling goes on", extra=log_context(code=trouble))
            trouble = ""
        wake.wait(wait_s)


def _until_done(do: Callable[[], object], wake: Wake, stop: Stop, settings: Settings) -> None:
    told = False
    while not stop.is_set():
        try:
            do()
        except DatabaseUnavailable as error:
            if not told:
                _log.error("The start waits for the database", extra=log_context(reason=str(error)))
            told = True
            wake.wait(settings.jobs.poll_s)
        else:
            return
