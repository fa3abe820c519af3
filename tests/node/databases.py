"""Databases for tests: a migrated SQLite file, and a PostgreSQL cluster of our own where its server is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from node.db import connect, migrate


def postgresql_binaries() -> Path:
    """The newest server's programs; skips the test, saying so, where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    return found[-1].parent


@contextmanager
def postgresql_cluster() -> Iterator[str]:
    """A fresh cluster on a Unix socket; gives the URL of its database `postgres`."""
    binaries = postgresql_binaries()
    folder = Path(tempfile.mkdtemp(prefix="echocare-pg-"))
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, user, user)

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, cwd=folder, capture_output=True, timeout=120)

    data = str(folder / "data")
    run(str(binaries / "initdb"), "-D", data, "-U", "echocare", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://echocare@/postgres?host={folder}"
    finally:
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def postgresql_database(cluster: str, template: str = "template1") -> Iterator[str]:
    """A database of one's own in the cluster, a copy of a template; gives its URL."""
    name = f"t{uuid.uuid4().hex}"
    admin = sa.create_engine(cluster, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield sa.make_url(cluster).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def migrated(url: str) -> sa.Engine:
    """An engine on a database with all tables."""
    engine = connect(url)
    migrate(engine)
    return engine
