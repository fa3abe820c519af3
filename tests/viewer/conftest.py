"""One Orthanc and one browser for all that is looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PICTURES
from tests.peers.ohif import Ohif, Shown, ohif
from tests.peers.orthanc import Orthanc, orthanc

LIMIT_S = 900


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("viewer") / "orthanc") as running:
        yield running


@pytest.fixture(scope="session")
def viewer(pacs: Orthanc) -> Iterator[Ohif]:
    with ohif(pacs) as running:
        shutil.rmtree(PICTURES, ignore_errors=True)
        PICTURES.mkdir(parents=True)
        yield running


@pytest.fixture(scope="session")
def keep(viewer: Ohif) -> Callable[[Shown, str], None]:
    """Keep a picture of the screen under a name."""

    def write(shown: Shown, name: str) -> None:
        (PICTURES / f"{name}.png").write_bytes(shown.png)

    return write


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process has the browser, and takes its time on a busy machine; the limit is there for what hangs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LIMIT_S))
            item.add_marker(pytest.mark.xdist_group("viewer"))
