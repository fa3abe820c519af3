"""One clinic for the tests that only look: Orthanc, a node, and the sample study sent to it by storescu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.phantom import SampleStudy, sample_study
from node.jobs import StudyDetail
from tests.peers.dcmtk import storescu
from tests.peers.nodes import RunningNode, node
from tests.peers.orthanc import Orthanc, orthanc

LIMIT_S = 900
BOTH_TASKS = [
    {"name": "fetal-biometry", "when": 'instance.Modality == "US"', "task": "fetal-head", "send_to": ["pacs", "out"]},
    {"name": "breast", "when": 'instance.Modality == "US"', "task": "breast-lesion", "send_to": ["pacs", "out"]},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """A node between a modality and a PACS, after one study."""

    pacs: Orthanc
    node: RunningNode
    sample: SampleStudy
    detail: StudyDetail  # of the sample study, with all results delivered

    @property
    def study(self) -> str:
        return self.sample.study_instance_uid


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleStudy:
    """The phantoms of `echocare-node demo`."""
    return sample_study(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory, sample: SampleStudy) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    with orthanc(folder / "orthanc") as pacs:
        peers = {"pacs": pacs.peer, "out": {"kind": "folder", "path": "out"}}
        with node(folder / "node", {"peers": peers, "routes": BOTH_TASKS}) as running:
            sent = storescu(running.port, sample.files)
            assert sent.returncode == 0, sent.stdout + sent.stderr
            detail = running.wait_results(sample.study_instance_uid, instances=len(sample.files))
            yield Clinic(pacs=pacs, node=running, sample=sample, detail=detail)


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """A folder for files that a test makes."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole studies take their time on a busy machine; the limit is there for what hangs."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT_S))
