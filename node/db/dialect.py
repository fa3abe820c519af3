"""What SQLite and PostgreSQL do differently, all in one place."""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

BUSY_TIMEOUT_S: Final = 5.0
WRITE: Final = "echocare_write"  # execution option of connections that will write
MIGRATION_LOCK: Final = 0x6563686F  # "echo"; any number that nobody else locks
PG_TRY_AGAIN: Final = ("08", "40", "53", "57", "55P03")  # SQLSTATE classes: connection, rollback, resources, operator
SQLITE_TRY_AGAIN: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
)


def prepare(engine: sa.Engine) -> None:
    """Set up an engine so that committed means durable, and writers queue instead of failing half-way."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)


def _sqlite_connected(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself; `_sqlite_begin` does, with the right kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # The switch to WAL does not heed the busy timeout when several processes open a new file at once.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begin(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writing one can fail at once where another wrote in between.
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def lock_for_migration(connection: sa.Connection) -> None:
    """Let one process migrate while the others wait; held until the transaction ends.

    On SQLite the writing transaction itself is that lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def lock_row(connection: sa.Connection, key: str) -> None:
    """Let one transaction at a time work on what `key` names, such as a study that has no row yet."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))


def insert_new(
    connection: sa.Connection, table: sa.Table, values: dict[str, Any], unique: tuple[str, ...]
) -> int | None:
    """Insert a row unless one with the same unique columns is there.

    Returns
    -------
    int or None
        The new row's `id`; None where the row was there already.
    """
    return connection.execute(_insertion(connection.dialect.name, table, unique), values).scalar_one_or_none()


@cache
def _insertion(dialect: str, table: sa.Table, unique: tuple[str, ...]) -> sa.Executable:
    """Made once for each table: making it costs more than sending it."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing(index_elements=list(unique)).returning(table.c.id)


def try_again_later(error: sa.exc.DBAPIError) -> bool:
    """Whether the database could not answer now, as opposed to a fault in what was asked."""
    if error.connection_invalidated:
        return True
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in SQLITE_TRY_AGAIN
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return isinstance(error, sa.exc.OperationalError)  # no answer at all: the server is away
    return str(state).startswith(PG_TRY_AGAIN)
