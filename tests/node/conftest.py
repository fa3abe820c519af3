from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.node.databases import migrated, postgresql_cluster, postgresql_database


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    with postgresql_cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/node.db"
        return
    with ExitStack() as stack:
        yield stack.enter_context(postgresql_database(request.getfixturevalue("cluster")))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A migrated database of each kind."""
    engine = migrated(database_url)
    yield engine
    engine.dispose()
