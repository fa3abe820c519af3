"""Any order of study events, with kills in between, against a model that fits on a page."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node.archive import Archive
from node.db import Signal, connect, read, write
from node.db.tables import instance, job, job_instance, revision
from node.jobs import Planned, create_jobs
from node.studies import (
    StudyUnknown,
    close_due,
    index_incoming,
    instances_of,
    signal_complete,
    unrouted_revisions,
)
from node.studies import index as index_module
from tests.node.databases import migrated
from tests.node.queued import DIGEST, NOON, POLICY, seconds
from tests.node.received import data_set, instance_uid, receive, study_uid

QUIET_S = 30.0
STUDIES = st.sampled_from([1, 1, 1, 2])
INSTANCES = st.tuples(
    STUDIES,
    st.integers(1, 3),
    st.sampled_from(["first", "first", "other"]),
    st.sampled_from([0, 0, 0, 5, 29, 31, 500]),  # age in seconds: how long before now it was received
)
WAITS_S = st.sampled_from([0, 1, 10, 31, 100])
KILLS = st.none() | st.tuples(st.sampled_from(["filing", "arriving", "forgetting"]), st.integers(0, 3))
THENS = st.sampled_from(["nothing", "index", "close", "route", "route"])


def digest(study: int, number: int, content: str) -> str:
    return hashlib.sha256(data_set(study, number, content)).hexdigest()


@cache
def template() -> Path:
    """A file with all tables, to be copied; removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="echocare-template-"))
    atexit.register(shutil.rmtree, folder)
    migrated(f"sqlite:///{folder}/node.db").dispose()
    return folder / "node.db"


class Killed(BaseException):
    """The process is killed here."""


@dataclass
class ModelStudy:
    """What a study must look like."""

    contents: dict[int, list[str]] = field(default_factory=dict)  # by instance number, the one in use first
    is_open: bool = False
    quiet_until: datetime = NOON
    signal: Signal | None = None
    signal_at: datetime = NOON
    revisions: list[tuple[frozenset[tuple[int, str]], Signal]] = field(default_factory=list)

    @property
    def used(self) -> frozenset[tuple[int, str]]:
        return frozenset((number, contents[0]) for number, contents in self.contents.items())

    def arrive(self, number: int, content: str, at: datetime) -> None:
        quiet_until = at + seconds(QUIET_S)
        if number in self.contents:
            if content not in self.contents[number]:
                self.contents[number].append(content)
            if self.is_open:
                self.quiet_until = max(self.quiet_until, quiet_until)
            return
        self.contents[number] = [content]
        self.quiet_until = max(self.quiet_until, quiet_until)
        self.is_open = True
        if self.signal is not None and at > self.signal_at:
            self.signal = None

    def close(self, now: datetime) -> None:
        if not self.is_open or (self.signal is None and self.quiet_until > now):
            return
        if not self.revisions or self.revisions[-1][0] != self.used:
            self.revisions.append((self.used, self.signal or Signal.QUIET))
        self.is_open, self.signal = False, None


class StudyEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="echocare-studies-"))
        shutil.copy(template(), self.folder / "node.db")
        self.archive: Archive
        self.engine: sa.Engine
        self.start()
        self.now = NOON
        self.waiting: list[tuple[int, int, str, datetime]] = []  # acknowledged, not indexed yet
        self.studies: dict[int, ModelStudy] = {}
        self.jobs: set[tuple[str, frozenset[str]]] = set()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/node.db"

    def start(self) -> None:
        self.archive, self.engine = Archive(self.folder / "archive"), connect(self.url)

    def restart(self) -> None:
        self.archive.close()
        self.engine.dispose()
        self.start()

    def teardown(self) -> None:
        self.archive.close()
        self.engine.dispose()
        shutil.rmtree(self.folder)

    # Each rule does a good deal, so that short runs reach far: late and conflicting instances, second revisions.
    @rule(instances=st.lists(INSTANCES, min_size=1, max_size=4), wait_s=WAITS_S, kill=KILLS, then=THENS)
    def instances_come(
        self, instances: list[tuple[int, int, str, int]], wait_s: int, kill: tuple[str, int] | None, then: str
    ) -> None:
        for study, number, content, age_s in instances:
            at = self.now - seconds(age_s)
            receive(self.archive, study, number, content, at)
            self.waiting.append((study, number, content, at))
        self.look(wait_s, kill, then)

    @rule(wait_s=WAITS_S, then=THENS)
    def time_passes(self, wait_s: int, then: str) -> None:
        self.look(wait_s, None, then)

    def look(self, wait_s: int, kill: tuple[str, int] | None, then: str) -> None:
        """What the scheduler does, ended by a kill after any step."""
        self.now += seconds(wait_s)
        if then == "nothing":
            return
        self.index_and_be_killed(*kill) if kill else self.index()
        if then in ("close", "route"):
            close_due(self.engine, self.now)
            for study in self.studies.values():
                study.close(self.now)
        if then == "route":
            self.route()

    def index(self) -> None:
        index_incoming(self.archive, self.engine, quiet_s=QUIET_S, now=self.now)
        for study, number, content, at in self.waiting:
            self.studies.setdefault(study, ModelStudy()).arrive(number, content, at)
        self.waiting = []

    def index_and_be_killed(self, where: str, after: int) -> None:
        target, name = {
            "filing": (Archive, "file_away"),
            "arriving": (index_module, "arrive"),
            "forgetting": (Archive, "forget"),
        }[where]
        real, calls = getattr(target, name), iter(range(after))

        def killed_later(*args: object, **kwargs: object) -> object:
            if next(calls, None) is None:
                raise Killed
            return real(*args, **kwargs)

        try:
            with patch.object(target, name, killed_later):
                self.index()
        except Killed:
            self.restart()
            self.index()

    @rule(study=STUDIES, signals=st.lists(st.sampled_from([Signal.API, Signal.MPPS]), min_size=1, max_size=2))
    def somebody_says_complete(self, study: int, signals: list[Signal]) -> None:
        for signal in signals:
            self.say_complete(study, signal)

    def say_complete(self, study: int, signal: Signal) -> None:
        known = self.studies.get(study)
        try:
            with write(self.engine) as connection:
                taken = signal_complete(connection, study_uid(study), signal, self.now)
        except StudyUnknown:
            assert known is None
            return
        assert known is not None
        assert taken == known.is_open
        if known.is_open and (known.signal is None or signal.strength >= known.signal.strength):
            known.signal, known.signal_at = signal, self.now

    def route(self) -> None:
        """Two routes: one takes all, the other only the even instances."""
        with read(self.engine) as connection:
            waiting = unrouted_revisions(connection)
        for each in waiting:
            with write(self.engine) as connection:
                held = instances_of(connection, each.id)
                even = tuple(one for one in held if int(one.sop_instance_uid.rpartition(".")[2]) % 2 == 0)
                plans = [
                    Planned(
                        route=route,
                        task="t",
                        package_digest=DIGEST,
                        route_digest=route * 64,
                        instance_ids=tuple(one.id for one in chosen),
                    )
                    for route, chosen in (("a", held), ("e", even))
                    if chosen
                ]
                create_jobs(connection, each, plans, now=self.now, policy=POLICY)
                self.jobs |= {("a", frozenset(one.path for one in held))}
                self.jobs |= {("e", frozenset(one.path for one in even))} if even else set()

    @rule()
    def node_is_restarted(self) -> None:
        self.restart()
        self.route()

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        with read(self.engine) as connection:
            rows = connection.execute(sa.select(instance)).all()
        assert len(rows) == sum(len(c) for study in self.studies.values() for c in study.contents.values())
        assert all((self.archive.root / row.path).is_file() for row in rows)
        on_disk = sum(1 for _ in self.archive.stored())
        assert on_disk == len(rows)
        assert sum(1 for _ in self.archive.incoming()) == len(self.waiting)

    @invariant()
    def revisions_are_those_of_the_model(self) -> None:
        with read(self.engine) as connection:
            for study, model in self.studies.items():
                rows = connection.execute(
                    sa.select(revision).where(revision.c.study_uid == study_uid(study)).order_by(revision.c.number)
                ).all()
                assert [row.number for row in rows] == list(range(1, len(model.revisions) + 1))
                assert [row.closed_by for row in rows] == [signal for _, signal in model.revisions]
                for row, (used, _) in zip(rows, model.revisions, strict=True):
                    held = sorted((one.sop_instance_uid, one.sha256) for one in instances_of(connection, row.id))
                    assert held == sorted((instance_uid(study, n), digest(study, n, content)) for n, content in used)
                if rows and any(len(contents) > 1 for contents in model.contents.values()):
                    assert rows[-1].conflict

    @invariant()
    def every_selection_has_one_job(self) -> None:
        with read(self.engine) as connection:
            rows = connection.execute(
                sa.select(job.c.id, job.c.route, instance.c.path).select_from(
                    job.join(job_instance).join(instance, instance.c.id == job_instance.c.instance_id)
                )
            ).all()
        found: dict[int, tuple[str, set[str]]] = {}
        for row in rows:
            found.setdefault(row.id, (row.route, set()))[1].add(row.path)
        assert len(found) == len(self.jobs)
        assert {(route, frozenset(paths)) for route, paths in found.values()} == self.jobs


StudyEvents.TestCase.settings = settings(
    max_examples=70,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestStudyEvents = StudyEvents.TestCase
