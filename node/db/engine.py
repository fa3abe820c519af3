"""Connections: read and write transactions that either happen whole or say that they did not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from node.db.dialect import WRITE, prepare, try_again_later
from node.db.errors import DatabaseUnavailable

BEGIN_ATTEMPTS = 3  # each waits for the busy timeout
PAUSE_S = 0.05


def connect(url: str) -> sa.Engine:
    """Open a database.

    Parameters
    ----------
    url
        `sqlite:///PATH` or `postgresql+psycopg://…`, as `Settings.database` has it. SQLite's folder is made.

    Returns
    -------
    sqlalchemy.Engine
        To be made in each process anew, never carried over a fork.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    prepare(engine)
    return engine


@contextmanager
def read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that sees one state of the database.

    Raises
    ------
    DatabaseUnavailable
        Locked, full or away.
    """
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except sa.exc.DBAPIError as error:
        raise _translated(error) from error


@contextmanager
def write(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that is committed at the end of the block, or not at all.

    Raises
    ------
    DatabaseUnavailable
        Locked, full or away; nothing was changed.
    """
    try:
        with engine.connect() as plain:
            connection = plain.execution_options(**{WRITE: True})
            with _begun(connection):
                yield connection
    except sa.exc.DBAPIError as error:
        raise _translated(error) from error


def _begun(connection: sa.Connection) -> sa.RootTransaction:
    for attempt in range(1, BEGIN_ATTEMPTS + 1):
        try:
            return connection.begin()
        except sa.exc.DBAPIError as error:
            if attempt == BEGIN_ATTEMPTS or not try_again_later(error):
                raise
            connection.rollback()
            time.sleep(PAUSE_S)
    raise AssertionError("the loop returns or raises")


def _translated(error: sa.exc.DBAPIError) -> Exception:
    if try_again_later(error):
        # The statement's parameters may hold UIDs; only the driver's own words go on.
        return DatabaseUnavailable(f"the database cannot be used now, nothing was changed: {error.orig}")
    return error
