from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from node.db import connect
from tests.node.databases import migrated, postgresql_cluster, postgresql_database

if TYPE_CHECKING:
    from tests.node.pulling.dicomweb_server import Behaviour


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Studies to pull, by SOP Instance UID."""
    from tests.node.pulling.bench import write_studies

    written = write_studies(tmp_path_factory.mktemp("studies"))
    return {uid: path.read_bytes() for uid, path in written.items()}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[Behaviour]:
    """A DICOMweb server that has them and does what a test tells it."""
    from tests.node.pulling.dicomweb_server import dicomweb

    with dicomweb(files) as behaviour:
        yield behaviour


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    with postgresql_cluster() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgresql(cluster: str) -> Iterator[str]:
    """Name of a database with all tables, to be copied."""
    with postgresql_database(cluster) as url:
        migrated(url).dispose()
        yield str(sa.make_url(url).database)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "node.db"
    migrated(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/node.db"
        return
    with postgresql_database(request.getfixturevalue("cluster")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "node.db")
            yield f"sqlite:///{tmp_path}/node.db"
        else:
            template = request.getfixturevalue("migrated_postgresql")
            yield stack.enter_context(postgresql_database(request.getfixturevalue("cluster"), template))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A migrated database of each kind."""
    engine = connect(database_url)
    yield engine
    engine.dispose()
