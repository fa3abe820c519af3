from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from node.config import Mode, Priority
from node.db import (
    DatabaseUnavailable,
    DeliveryState,
    JobState,
    PriorState,
    ReportState,
    SchemaNewer,
    Signal,
    StepState,
    StudyState,
    WorkitemState,
    connect,
    migrate,
    read,
    write,
)
from node.db.migrate import SCRIPTS
from node.db.tables import event, metadata, study, workitem

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NEWEST = max(path.name[:4] for path in (SCRIPTS / "versions").glob("0*.py"))


def row(uid: str = "1.2.3", **changes: object) -> dict[str, object]:
    values = {
        "uid": uid, "state": StudyState.OPEN, "first_received_at": NOON, "last_received_at": NOON,
        "quiet_until": NOON, "conflict": False,
    }  # fmt: skip
    return {**values, **changes}


def test_migrations__run_on_an_empty_database__give_exactly_the_tables_of_the_code(engine: sa.Engine) -> None:
    with read(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("study", "state", StudyState),
        ("study", "signal", Signal),
        ("revision", "closed_by", Signal),
        ("job", "state", JobState),
        ("job", "mode", Mode),
        ("job", "priority", Priority),
        ("delivery", "state", DeliveryState),
        ("performed_step", "state", StepState),
        ("announcement", "signal", Signal),
        ("commitment_request", "state", ReportState),
        ("workitem", "state", WorkitemState),
        ("prior", "state", PriorState),
    ],
)
def test_migrations__words_of_a_column__are_those_of_the_enum(
    engine: sa.Engine, table: str, column: str, kind: type[StrEnum]
) -> None:
    checks = {check["name"]: check["sqltext"] for check in sa.inspect(engine).get_check_constraints(table)}
    own = checks[f"ck_{table}_{kind.__name__.lower()}"]
    assert column in own
    assert set(own.split("'")[1::2]) == {member.value for member in kind}


def test_migrate__several_at_once__all_succeed(empty_url: str) -> None:
    def start(_: int) -> str | None:
        engine = connect(empty_url)
        migrate(engine)
        with read(engine) as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        engine.dispose()
        return current

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(start, range(6))) == {NEWEST}


def test_migrate__database_from_before_priors__keeps_its_rows_and_fits_the_code(empty_url: str) -> None:
    engine = connect(empty_url)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    before = {
        **row(), "content": "{}", "starts_at": NOON, "created_at": NOON, "changed_at": NOON, "ours": True, "no": False,
    }  # fmt: skip
    with write(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        for statement in (
            "INSERT INTO study (uid, state, first_received_at, last_received_at, quiet_until, conflict)"
            " VALUES (:uid, 'open', :created_at, :created_at, :created_at, :no)",
            "INSERT INTO workitem (uid, state, ours, content, starts_at, created_at, changed_at)"
            " VALUES (:uid, 'IN PROGRESS', :ours, :content, :starts_at, :created_at, :changed_at)",
        ):
            connection.execute(sa.text(statement), before)
    migrate(engine)
    with read(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(sa.select(study.c.uid, study.c.prior)).all() == [("1.2.3", False)]
        columns = (workitem.c.uid, workitem.c.fetch_from, workitem.c.fetch_at, workitem.c.fetch_attempt)
        assert connection.execute(sa.select(*columns)).all() == [("1.2.3", None, None, 0)]
    engine.dispose()


def test_migrate__database_of_a_newer_version__is_refused(engine: sa.Engine) -> None:
    with write(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNewer, match="newer version"):
        migrate(engine)


def test_write__exception_in_the_block__changes_nothing(engine: sa.Engine) -> None:
    with pytest.raises(RuntimeError), write(engine) as connection:
        connection.execute(study.insert().values(**row()))
        raise RuntimeError
    with read(engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(study)).scalar_one() == 0


def test_write__locked_by_another__is_unavailable_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.db.dialect.BUSY_TIMEOUT_S", 0.01)
    engine = connect(f"sqlite:///{tmp_path}/node.db")
    migrate(engine)
    other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked") as caught, write(engine):
        pass
    assert caught.value.retryable
    other.execute("ROLLBACK")
    with write(engine) as connection:
        connection.execute(study.insert().values(**row()))
    other.close()


def test_write__two_at_once__wait_for_each_other(engine: sa.Engine) -> None:
    first_is_in, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with write(engine) as connection:
            connection.execute(study.insert().values(**row("1")))
            first_is_in.set()
            go_on.wait(10)

    def quick() -> None:
        first_is_in.wait(10)
        threading.Timer(0.03, go_on.set).start()
        with write(engine) as connection:
            connection.execute(study.insert().values(**row("2")))

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(slow), pool.submit(quick)]:
            future.result(20)
    with read(engine) as connection:
        assert set(connection.execute(sa.select(study.c.uid)).scalars()) == {"1", "2"}


def test_sqlite__connection__keeps_what_is_committed_through_power_loss(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/new/folder/node.db")
    with read(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_times__in_another_zone__come_back_as_utc(engine: sa.Engine) -> None:
    there = NOON.astimezone(timezone(timedelta(hours=8))).replace(microsecond=123456)
    with write(engine) as connection:
        connection.execute(study.insert().values(**row(quiet_until=there)))
        found = connection.execute(sa.select(study.c.quiet_until)).scalar_one()
        assert connection.execute(sa.select(study.c.uid).where(study.c.quiet_until == there)).scalar_one() == "1.2.3"
    assert found == there
    assert found.tzinfo is UTC or found.utcoffset() == timedelta(0)


def test_times__without_a_zone__are_refused(engine: sa.Engine) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="without its zone"), write(engine) as connection:
        connection.execute(study.insert().values(**row(quiet_until=naive)))


def test_words__outside_the_set__are_refused_by_the_database(engine: sa.Engine) -> None:
    with write(engine) as connection:
        connection.execute(study.insert().values(**row()))
    with pytest.raises(sa.exc.IntegrityError), write(engine) as connection:
        connection.exec_driver_sql("UPDATE study SET state = 'ajar'")


def test_event__details__come_back_as_they_were(engine: sa.Engine) -> None:
    details = {"attempt": 2, "words": "größer"}
    with write(engine) as connection:
        connection.execute(
            event.insert().values(
                at=NOON, who="test", what="study.closed", object_kind="study", object_key="1", details=details
            )
        )
        assert connection.execute(sa.select(event.c.details)).scalar_one() == details
