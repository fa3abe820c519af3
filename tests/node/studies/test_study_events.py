"""Any order of study events, with kills in between, against a model that fits on a page."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
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
from tests.node.received import instance_uid, receive, study_uid

QUIET_S = 30.0
STUDIES = st.integers(1, 2)
NUMBERS = st.integers(1, 4)
CONTENTS = st.sampled_from(["first", "other"])
AGES_S = st.sampled_from([0, 0, 0, 5, 29, 31, 500])


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
        migrated(self.url).dispose()
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

    @rule(study=STUDIES, number=NUMBERS, content=CONTENTS, age_s=AGES_S)
    def instance_is_received(self, study: int, number: int, content: str, age_s: int) -> None:
        at = self.now - seconds(age_s)
        receive(self.archive, study, number, content, at)
        self.waiting.append((study, number, content, at))

    @rule(seconds_passed=st.sampled_from([1, 10, 31, 100]))
    def time_passes(self, seconds_passed: int) -> None:
        self.now += seconds(seconds_passed)

    @rule()
    def incoming_is_indexed(self) -> None:
        index_incoming(self.archive, self.engine, quiet_s=QUIET_S, now=self.now)
        for study, number, content, at in self.waiting:
            self.studies.setdefault(study, ModelStudy()).arrive(number, content, at)
        self.waiting = []

    @rule(where=st.sampled_from(["filing", "arriving", "forgetting"]), after=st.integers(0, 3))
    def node_is_killed_while_indexing(self, where: str, after: int) -> None:
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
                self.incoming_is_indexed()
        except Killed:
            self.restart()
            self.incoming_is_indexed()

    @rule()
    def due_studies_are_closed(self) -> None:
        self.incoming_is_indexed()
        close_due(self.engine, self.now)
        for study in self.studies.values():
            study.close(self.now)

    @rule(study=STUDIES, signal=st.sampled_from([Signal.API, Signal.MPPS]))
    def somebody_says_complete(self, study: int, signal: Signal) -> None:
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

    @rule()
    def revisions_are_routed(self) -> None:
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
                    held = instances_of(connection, row.id)
                    assert {one.sop_instance_uid for one in held} == {instance_uid(study, n) for n, _ in used}
                    assert not any(one.conflict for one in held)
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
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestStudyEvents = StudyEvents.TestCase
