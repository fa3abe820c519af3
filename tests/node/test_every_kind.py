"""Every kind of task runs through `predict` and through the worker, and its results are valid objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import torch
import yaml
from typer.testing import CliRunner, Result

from models.engine import Engine
from models.packages import TaskPackage
from node.cli import app
from node.db import JobState
from node.routing import compile_routes
from node.scheduler import Scheduler
from node.worker import PatientCheck, Runner, Worker
from tests.integration.results.sources import write_source
from tests.node.kinds import KINDS, every_kind
from tests.node.worker.bench import Bench
from tests.peers import dciodvfy

ROLES = {
    "outline": {"SEG", "SR", "SC"},
    "segmentation": {"SEG", "SR", "SC"},
    "classification": {"SR-TEXT", "SC"},
    "ordinal": {"SR-TEXT", "SC"},
    "view": {"SR-TEXT", "SC"},
    "quality": {"SR-TEXT", "SC"},
    "detection": {"SR", "SC"},
    "landmarks": {"SR", "SC"},
    "regression": {"SR-TEXT", "SC"},
    "enhancement": {"ENH"},
    "report": {"SR-TEXT", "SC"},
}  # at least
SAID = {
    "outline": "quantity",
    "segmentation": "mask",
    "classification": "category",
    "ordinal": "category",
    "view": "category",
    "quality": "quantity",
    "detection": "box",
    "landmarks": "landmarks",
    "regression": "quantity",
    "enhancement": "enhanced_image",
    "report": "narrative",
}  # the finding without which the kind has not spoken


class EveryBench(Bench):
    """A node with a task of every kind on every image, and a true engine."""

    def __init__(self, folder: Path, template: Path, packages: list[TaskPackage]) -> None:
        self.packages = packages
        kinds = [{"name": kind, "when": "true", "task": kind, "send_to": ["out"]} for kind in KINDS]
        super().__init__(folder, template, Engine(packages, device="cpu"), routes=kinds)  # type: ignore[arg-type]

    def install(self, package: object) -> None:
        routes = compile_routes(self.settings, [each.identity for each in self.packages])
        self.scheduler = Scheduler(
            self.settings, self.database, self.archive, routes, self.wake, clock=lambda: self.now
        )
        runner = Runner(
            settings=self.settings,
            database=self.database,
            engine=self.engine,
            packages={each.identity.task: each.identity for each in self.packages},
            patients=PatientCheck(self.settings.archive_dir),
        )
        self.worker = Worker(self.settings, self.database, runner, clock=lambda: self.now)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def packages(folder: Path) -> list[TaskPackage]:
    return every_kind(folder)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "still.dcm"
    write_source(path, rows=160, columns=160)  # square, as what the networks see: all of it can be marked
    return path


@pytest.fixture(scope="module")
def worked(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, packages: list[TaskPackage], still: Path
) -> Iterator[EveryBench]:
    bench = EveryBench(tmp_path_factory.mktemp("node"), migrated_sqlite, packages)
    bench.receive_file(still)
    bench.settle()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def predict(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, packages: list[TaskPackage]
) -> Callable[..., Result]:
    config = tmp_path_factory.mktemp("predict") / "node.yaml"
    models = {"packages": [str(folder)], "bundled": "none", "device": "cpu", "threads": 1}
    config.write_text(yaml.safe_dump({"node": {"data_dir": "var"}, "models": models}))
    return lambda *words: CliRunner().invoke(app, ["predict", *map(str, words), "--config", str(config)])


def role(path: Path) -> str:
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    if ds.Modality == "SR":
        return "SR" if ds.ConceptNameCodeSequence[0].CodeValue == "126000" else "SR-TEXT"
    return "ENH" if "ENHANCED" in ds.get("ImageType", ()) else {"US": "SC"}.get(ds.Modality, ds.Modality)


def check(paths: list[Path], kind: str) -> None:
    assert ROLES[kind] <= {role(path) for path in paths}
    assert {path.name: dciodvfy.errors(path) for path in paths} == {path.name: [] for path in paths}


@pytest.mark.parametrize("kind", KINDS)
def test_worker__task_of_this_kind__its_results_are_delivered_and_valid(worked: EveryBench, kind: str) -> None:
    (job,) = [each for each in worked.jobs() if each.task == kind]
    assert (job.state, job.error) == (JobState.DONE, None)
    check(sorted((worked.settings.results_dir / job.identity).glob("*.dcm")), kind)


def test_worker__all_kinds__everything_written_is_delivered(worked: EveryBench) -> None:
    written = {path.name for path in worked.settings.results_dir.rglob("*.dcm")}
    assert {path.name for path in worked.out.rglob("*.dcm")} == written


@pytest.mark.parametrize("kind", KINDS)
def test_predict__task_of_this_kind__says_it_and_writes_valid_results(
    predict: Callable[..., Result], still: Path, tmp_path: Path, kind: str
) -> None:
    answer = predict(kind, still, "--json", "-o", tmp_path)
    assert answer.exit_code == 0, answer.stderr
    findings: list[dict[str, Any]] = json.loads(answer.stdout)["inputs"][0]["findings"]
    assert SAID[kind] in {finding["kind"] for finding in findings}
    check(sorted(tmp_path.glob("*.dcm")), kind)


@pytest.mark.parametrize("kind", ["detection", "landmarks", "enhancement", "report", "segmentation"])
def test_predict__as_text__every_finding_has_a_line_of_sense(
    predict: Callable[..., Result], still: Path, kind: str
) -> None:
    lines = predict(kind, still).stdout
    words = {
        "detection": " to (",
        "landmarks": "bpd 1 (",
        "enhancement": "160 x 160 pixels",
        "report": "The picture",
        "segmentation": "right lobe 1 area",
    }
    assert words[kind] in " ".join(lines.split())


@pytest.mark.parametrize("kind", KINDS)
def test_predict__in_bfloat16__speaks_as_in_float32(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, packages: list[TaskPackage], still: Path, kind: str
) -> None:
    config = tmp_path_factory.mktemp("half") / "node.yaml"
    models = {"packages": [str(folder)], "bundled": "none", "device": "cpu", "threads": 1, "precision": "bfloat16"}
    config.write_text(yaml.safe_dump({"node": {"data_dir": "var"}, "models": models}))
    answer = CliRunner().invoke(app, ["predict", kind, str(still), "--json", "--config", str(config)])
    assert answer.exit_code == 0, answer.stdout
    (one,) = json.loads(answer.stdout)["inputs"]
    assert SAID[kind] in {finding["kind"] for finding in one["findings"]}
