"""This node as the performer of work items: claims those that it can do, has them done, and says what came of it.

Everything it knows stands in the database; each step looks at what is due and can be repeated after a kill.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from integration.dicomweb.performed import (
    EQUIPMENT_FAILURE,
    NOT_SUPPORTED,
    REJECTED,
    SET_INCOMPLETE,
    UNSPECIFIED,
    Performed,
    set_performed,
    set_progress,
    set_stopped,
)
from integration.dicomweb.workitems import Assignment, Inputs, assignment_of
from models.findings import TaskIdentity
from node.config import Priority, Settings
from node.db import DatabaseUnavailable, StudyState, WorkitemState, read, write
from node.db.tables import revision, study, workitem
from node.logs import log_context, masked
from node.routing import InstanceFacts, Routes
from node.studies import Revision, StoredInstance, instances_of, release_prior
from node.workitems.fetching import is_held, sources_of
from node.workitems.jobs import (
    PERFORMER,
    Order,
    Standing,
    let_go,
    standings,
    superseded_jobs,
    take_jobs,
)
from node.workitems.outputs import Made, made_for, why_not_done
from node.workitems.store import drop_old, enter, locked, tell

AT_A_TIME: Final = 200  # work items that one step claims, and that it plans
_PRIORITY: Final = {"HIGH": Priority.STAT}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cannot:
    """A work item that cannot be done: why, for whoever assigned it."""

    code: DicomCode
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """The images of a work item, all of one revision."""

    revision: Revision
    instances: tuple[StoredInstance, ...]


class Performer:
    """Does the work items of this node.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    routes
        The compiled rules, and the tasks that are installed.
    facts
        Reads an instance's header.
    """

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        routes: Routes,
        facts: Callable[[StoredInstance], InstanceFacts],
    ) -> None:
        self._settings = settings
        self._policy = settings.workitems
        self._engine = engine
        self._routes = routes
        self._tasks = routes.tasks
        self._facts = facts
        self._told: dict[str, tuple[int, str]] = {}  # what was last written of the progress of each
        self._troubled: set[str] = set()  # told once

    def start(self, now: datetime) -> None:
        """Look again at what waits: other task packages may be installed than when the node last looked.

        Raises
        ------
        DatabaseUnavailable
            Call again.
        """
        waiting = workitem.c.state == WorkitemState.SCHEDULED
        with write(self._engine) as connection:
            connection.execute(workitem.update().where(waiting).values(judged_at=None))
        self._each(self._changed_packages(), lambda uid: self._renew(uid, now))

    def step(self, now: datetime) -> int:
        """Do everything that is due; how many jobs wait to be run because of it.

        Raises
        ------
        DatabaseUnavailable
            What was done stays done.
        """
        drop_old(self._engine, now, keep_s=self._policy.keep_s)
        if not self._policy.perform:
            return 0
        self._each(self._claimable(now), lambda uid: self._take_up(uid, now))
        started = self._each(self._unplanned(now), lambda uid: self._plan(uid, now))
        with read(self._engine) as connection:
            found = standings(connection)
        self._each(found, lambda uid: self._follow(uid, found[uid], now))
        return started

    def _each(self, uids: Iterable[str], do: Callable[[str], int | None]) -> int:
        """One work item that cannot be looked at holds up no other."""
        total = 0
        for uid in uids:
            try:
                total += do(uid) or 0
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others go on
                if uid not in self._troubled:
                    self._troubled.add(uid)
                    about = log_context(instance=uid)
                    _log.error("A work item cannot be looked at", exc_info=masked(error), extra=about)
        return total

    # Claiming

    def _claimable(self, now: datetime) -> list[str]:
        new = workitem.c.judged_at.is_(None)
        return self._uids(workitem.c.state == WorkitemState.SCHEDULED, workitem.c.starts_at <= now, new)

    def _take_up(self, uid: str, now: datetime) -> None:
        with write(self._engine) as connection:
            row = locked(connection, uid)
            if row.state is not WorkitemState.SCHEDULED:
                return
            content = Dataset.from_json(row.content)
            assignment = assignment_of(content)
            verdict = self._judge(assignment)
            # One that names this node and that it cannot do is rejected; another may be for somebody else.
            is_named = self._settings.node.ae_title in assignment.stations
            if verdict is None or (isinstance(verdict, _Cannot) and not is_named):
                connection.execute(workitem.update().where(workitem.c.uid == uid).values(judged_at=now))
                return
            claim = {"transaction_uid": f"2.25.{uuid.uuid4().int}", "ours": True, "claimed_at": now, "judged_at": None}
            if not isinstance(verdict, _Cannot):
                claim |= self._fetch(connection, content, assignment.inputs[0], now)
            enter(connection, uid, WorkitemState.IN_PROGRESS, content, now, who=PERFORMER, columns=claim)
            if isinstance(verdict, _Cannot):
                self._stop(connection, uid, content, verdict, now)

    def _fetch(self, connection: sa.Connection, content: Dataset, inputs: Inputs, now: datetime) -> dict[str, object]:
        """Where images are to be fetched from that are not here: the columns that say so."""
        release_prior(connection, inputs.study, now, now)  # where all of it came as a prior, and is wanted for itself
        if is_held(connection, inputs):
            set_progress(content, 0, "claimed; its images are here")
            return {}
        sources = sources_of(inputs, self._settings)
        if sources:
            set_progress(content, 0, f"claimed; its images are fetched from {sources[0]}")
            return {"fetch_from": sources[0], "fetch_at": now}
        set_progress(content, 0, "claimed; its images are waited for" + _nowhere(inputs))
        return {}

    def _judge(self, assignment: Assignment) -> TaskIdentity | _Cannot | None:
        """The package that can do it; why none can; or None: it is not for this node, or not yet."""
        station = self._settings.node.ae_title
        if not assignment.ready or (assignment.stations and station not in assignment.stations):
            return None
        package = self._tasks.get(assignment.tasks[0]) if len(assignment.tasks) == 1 else None
        if package is None:
            return _Cannot(code=REJECTED, words="it names no single task that is installed on this node")
        if package.trial and not self._settings.models.trials:
            return _Cannot(code=REJECTED, words="its task is a trial, whose results do not leave this node")
        if len(assignment.inputs) != 1 or not assignment.inputs[0].study:
            return _Cannot(code=REJECTED, words="its inputs are not of one study")
        return package

    # Planning

    def _unplanned(self, now: datetime) -> list[str]:
        newer = sa.exists().where(
            revision.c.study_uid == workitem.c.study_uid,
            revision.c.routed_at.is_not(None),
            sa.or_(workitem.c.judged_at.is_(None), revision.c.routed_at > workitem.c.judged_at),
        )
        late = workitem.c.claimed_at <= now - timedelta(seconds=self._policy.wait_s)
        ours = (workitem.c.state == WorkitemState.IN_PROGRESS, workitem.c.ours, workitem.c.planned_at.is_(None))
        return self._uids(*ours, sa.or_(newer, late))

    def _plan(self, uid: str, now: datetime) -> int:
        with write(self._engine) as connection:
            row = locked(connection, uid)
            if row.state is not WorkitemState.IN_PROGRESS or not row.ours or row.planned_at is not None:
                return 0
            content = Dataset.from_json(row.content)
            assignment = assignment_of(content)
            package = self._tasks.get(assignment.tasks[0])
            here = self._images(connection, assignment.inputs[0], row, now)
            if package is None:
                here = _Cannot(code=EQUIPMENT_FAILURE, words="its task is not installed on this node any more")
            if isinstance(here, _Cannot):
                self._stop(connection, uid, content, here, now)
                return 0
            if here is None or package is None:
                return 0
            order = Order(
                uid=uid,
                package=package,
                revision=here.revision,
                instances=here.instances,
                named=bool(assignment.inputs[0].instances),
                priority=_PRIORITY.get(assignment.priority, Priority.ROUTINE),
            )
            send_to = list(self._settings.peers) if self._policy.send_to is None else self._policy.send_to
            started = take_jobs(connection, order, self._routes, send_to, now, self._settings.jobs)
            connection.execute(workitem.update().where(workitem.c.uid == uid).values(planned_at=now))
            tell(connection, uid, "planned", PERFORMER, now)
            return started

    def _images(
        self, connection: sa.Connection, inputs: Inputs, row: sa.Row[*tuple[Any, ...]], now: datetime
    ) -> _Here | _Cannot | None:
        """The images to be looked at; None while they may still come."""
        expired = row.claimed_at <= now - timedelta(seconds=self._policy.wait_s)
        why = f"; {row.fetch_reason}" if row.fetch_reason else "" if row.fetch_from else _nowhere(inputs)
        words = f"its images did not come within {self._policy.wait_s:.0f} s{why}"
        waited = _Cannot(code=SET_INCOMPLETE, words=words)
        if row.fetch_at is not None:
            return waited if expired else None
        last = connection.execute(
            sa.select(revision).where(revision.c.study_uid == inputs.study).order_by(revision.c.number.desc()).limit(1)
        ).one_or_none()
        is_open = connection.execute(sa.select(study.c.state).where(study.c.uid == inputs.study)).scalar_one_or_none()
        if last is None or last.routed_at is None or (is_open == StudyState.OPEN and not inputs.instances):
            return waited if expired else None
        inside = [each for each in instances_of(connection, last.id) if not each.conflict]
        wanted = [each for each in inside if _is_wanted(each, inputs)]
        if inputs.instances - {each.sop_instance_uid for each in inside} or inputs.series - {
            each.series_uid for each in inside
        }:
            if expired:
                return waited
            connection.execute(workitem.update().where(workitem.c.uid == row.uid).values(judged_at=now))
            return None
        images = tuple(each for each in wanted if self._facts(each).not_an_input is None)
        if not images:
            return _Cannot(code=NOT_SUPPORTED, words="none of its inputs is an image that tasks can read")
        return _Here(revision=Revision.of(last), instances=images)

    def _changed_packages(self) -> list[str]:
        """Planned work items with jobs, not done yet, of a package that was replaced."""
        ours = (workitem.c.state == WorkitemState.IN_PROGRESS, workitem.c.ours, workitem.c.planned_at.is_not(None))
        with read(self._engine) as connection:
            rows = connection.execute(sa.select(workitem.c.uid, workitem.c.content).where(*ours)).all()
            return [row.uid for row in rows if self._superseded(connection, row)]

    def _superseded(self, connection: sa.Connection, row: sa.Row[*tuple[Any, ...]]) -> tuple[int, ...]:
        package = self._tasks.get(assignment_of(Dataset.from_json(row.content)).tasks[0])
        digest = None if package is None else package.digest.removeprefix("sha256:")
        return superseded_jobs(connection, row.uid, digest)

    def _renew(self, uid: str, now: datetime) -> None:
        with write(self._engine) as connection:
            row = locked(connection, uid)
            let_go(connection, uid, self._superseded(connection, row), now)
            connection.execute(
                workitem.update().where(workitem.c.uid == uid).values(planned_at=None, judged_at=None, computed_at=None)
            )

    # Following

    def _follow(self, uid: str, standing: Standing, now: datetime) -> None:
        ended = standing.total - standing.under_way
        if standing.under_way:
            self._tell_progress(uid, 90 * ended // standing.total, f"{ended} of {standing.total} images done", now)
            return
        if standing.ended_without:
            self._end(uid, now, lambda connection, _: _judged_jobs(connection, uid))
            return
        with read(self._engine) as connection:
            made = made_for(connection, uid, self._settings.peers)
        since = self._computed_at(uid, now)
        if made.waiting and now - since < timedelta(seconds=self._policy.deliver_wait_s):
            self._tell_progress(uid, 95, f"{len(made.outputs)} results made, {made.waiting} deliveries wait", now)
            return
        self._end(uid, now, _judged_deliveries)

    def _computed_at(self, uid: str, now: datetime) -> datetime:
        """Since when all jobs are done."""
        mine = workitem.c.uid == uid
        with read(self._engine) as connection:
            known: datetime | None = connection.execute(sa.select(workitem.c.computed_at).where(mine)).scalar_one()
        if known is None:
            with write(self._engine) as connection:
                connection.execute(workitem.update().where(mine).values(computed_at=now))
        return known or now

    def _tell_progress(self, uid: str, percent: int, words: str, now: datetime) -> None:
        if self._told.get(uid) == (percent, words):
            return
        with write(self._engine) as connection:
            row = locked(connection, uid)
            if row.state is WorkitemState.IN_PROGRESS and row.ours:
                content = Dataset.from_json(row.content)
                set_progress(content, percent, words)
                values = {"content": content.to_json_dict(), "changed_at": now}
                connection.execute(workitem.update().where(workitem.c.uid == uid).values(**values))
        self._told[uid] = (percent, words)

    def _end(self, uid: str, now: datetime, judge: Callable[[sa.Connection, Made], _Cannot | None]) -> None:
        with write(self._engine) as connection:
            row = locked(connection, uid)
            if row.state is not WorkitemState.IN_PROGRESS or not row.ours:
                return
            content = Dataset.from_json(row.content)
            made = made_for(connection, uid, self._settings.peers)
            cannot = judge(connection, made)
            task = assignment_of(content).tasks[0]
            done = Performed(
                station=self._settings.node.ae_title,
                task=task,
                package_digest=self._tasks[task].digest if task in self._tasks else "",
                began_at=row.claimed_at,
                ended_at=now,
                outputs=made.outputs,
            )
            set_performed(content, done)
            if cannot is not None:
                self._stop(connection, uid, content, cannot, now)
            else:
                late = [f"{made.waiting} deliveries still wait"] if made.waiting else []
                late += [f"{made.given_up} deliveries failed"] if made.given_up else []
                set_progress(content, 100, "; ".join([f"{len(made.outputs)} results", *late]))
                enter(connection, uid, WorkitemState.COMPLETED, content, now, who=PERFORMER)
        self._told.pop(uid, None)
        state = "completed" if cannot is None else "cancelled"
        _log.info("Work item ended", extra=log_context(instance=uid, task=task, state=state))

    def _stop(self, connection: sa.Connection, uid: str, content: Dataset, why: _Cannot, now: datetime) -> None:
        set_stopped(content, now, why.code, why.words)
        enter(connection, uid, WorkitemState.CANCELED, content, now, who=PERFORMER)

    def _uids(self, *conditions: sa.ColumnElement[bool]) -> list[str]:
        wanted = (
            sa.select(workitem.c.uid)
            .where(*conditions, workitem.c.content.is_not(sa.null()))
            .order_by(workitem.c.created_at, workitem.c.uid)
            .limit(AT_A_TIME)
        )
        with read(self._engine) as connection:
            return list(connection.execute(wanted).scalars())


def _nowhere(inputs: Inputs) -> str:
    """What is to be said where a work item names places to fetch from, and none is a peer."""
    if not inputs.retrieve_from and not inputs.services:
        return ""
    return "; they are not fetched: no configured peer has the AE title or DICOMweb address that it names"


def _is_wanted(each: StoredInstance, inputs: Inputs) -> bool:
    if not inputs.instances and not inputs.series:
        return True
    return each.sop_instance_uid in inputs.instances or each.series_uid in inputs.series


def _judged_jobs(connection: sa.Connection, uid: str) -> _Cannot:
    code, words = why_not_done(connection, uid)
    return _Cannot(code=code, words=words)


def _judged_deliveries(_: sa.Connection, made: Made) -> _Cannot | None:
    if not made.nowhere:
        return None
    return _Cannot(code=UNSPECIFIED, words=f"{made.nowhere} results were made, and no peer accepted them")
