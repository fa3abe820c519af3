"""Announcements and steps on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from node.db import Signal, StepState, read, write
from node.db.tables import performed_step, study
from node.studies import (
    Announcement,
    announce,
    arrive,
    close_due,
    hold_open,
    let_go,
    settle_announcements,
    studies_in_progress,
)
from tests.node.queued import NOON, arrival, seconds

DAY_S = 86400.0


def said(*numbers: int, signal: Signal = Signal.IAN, source: str = "1.2.826.78.1") -> Announcement:
    uids = tuple(f"1.2.826.1.{number}" for number in numbers)
    return Announcement(signal=signal, source_uid=source, study_uid="1.2.826.1", instances=uids, at=NOON)


def came(engine: sa.Engine, *numbers: int, quiet_s: float = 30) -> None:
    with write(engine) as connection:
        for number in numbers:
            arrive(connection, arrival(1, number), quiet_s=quiet_s, now=NOON)


def step(connection: sa.Connection, uid: str, state: StepState = StepState.IN_PROGRESS) -> None:
    connection.execute(
        performed_step.insert().values(
            uid=uid, study_uid="1.2.826.1", state=state, calling_ae="US1", instances=[], created_at=NOON,
            changed_at=NOON,
        )
    )  # fmt: skip


def test_announcement__more_instances_than_one_statement_takes__all_are_counted(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.studies.announced.CHUNK", 3)
    numbers = range(1, 9)
    came(engine, *list(numbers)[:-1])
    with write(engine) as connection:
        assert announce(connection, said(*numbers))
        assert not announce(connection, said(*numbers))  # said once is enough
    assert settle_announcements(engine, NOON, keep_s=DAY_S) == 0
    came(engine, numbers[-1])
    assert settle_announcements(engine, NOON, keep_s=DAY_S) == 1
    assert settle_announcements(engine, NOON, keep_s=DAY_S) == 0
    (revision,) = close_due(engine, NOON)
    assert revision.closed_by is Signal.IAN


def test_announcement__stronger_of_two__names_the_revision(engine: sa.Engine) -> None:
    came(engine, 1)
    with write(engine) as connection:
        announce(connection, said(1, signal=Signal.MPPS, source="1.2.826.77.1"))
        announce(connection, said(1))
    assert settle_announcements(engine, NOON, keep_s=DAY_S) == 2
    (revision,) = close_due(engine, NOON)
    assert revision.closed_by is Signal.MPPS


def test_announcement__study_closed_already__is_settled_and_a_late_clip_does_not_revive_it(engine: sa.Engine) -> None:
    came(engine, 1)
    assert len(close_due(engine, NOON + seconds(30))) == 1
    with write(engine) as connection:
        announce(connection, said(1))
    assert settle_announcements(engine, NOON + seconds(31), keep_s=DAY_S) == 1
    assert close_due(engine, NOON + seconds(31)) == ()
    with write(engine) as connection:
        arrive(connection, arrival(1, 2, at=NOON + seconds(60)), quiet_s=30, now=NOON + seconds(60))
    assert settle_announcements(engine, NOON + seconds(61), keep_s=DAY_S) == 0
    assert close_due(engine, NOON + seconds(61)) == ()
    (second,) = close_due(engine, NOON + seconds(90))
    assert (second.number, second.closed_by) == (2, Signal.QUIET)


def test_step__nobody_ended_it__is_heeded_only_for_so_long(engine: sa.Engine) -> None:
    with write(engine) as connection:
        step(connection, "1.2.826.77.1")
        step(connection, "1.2.826.77.2", StepState.COMPLETED)
    with read(engine) as connection:
        for since, expected in ((NOON - timedelta(days=1), {"1.2.826.1"}), (NOON + timedelta(seconds=1), set())):
            assert studies_in_progress(connection, ["1.2.826.1", "1.2.826.2"], since) == expected


def test_hold__open_study__waits_longer_and_once_let_go_as_long_as_always_from_then_on(engine: sa.Engine) -> None:
    came(engine, 1)

    def quiet_until() -> object:
        with read(engine) as connection:
            return connection.execute(sa.select(study.c.quiet_until)).scalar_one()

    with write(engine) as connection:
        hold_open(connection, "1.2.826.1", 600)
        hold_open(connection, "1.2.826.404", 600)  # of which nothing came
    assert quiet_until() == NOON + seconds(600)
    with write(engine) as connection:
        let_go(connection, "1.2.826.1", 30, NOON + seconds(200))
    assert quiet_until() == NOON + seconds(230)
    with write(engine) as connection:
        let_go(connection, "1.2.826.1", 30, NOON + seconds(210))  # never later than it was
    assert quiet_until() == NOON + seconds(230)
