"""The HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from models.engine import Engine
from node.api import make_application
from node.archive import Archive
from node.config import Settings, load_settings
from node.db import Signal, connect, migrate, read
from node.db.tables import study
from node.roles import SCHEDULER
from node.studies import index_incoming
from node.wake import Wake
from node.worker.resident import shared
from tests.models.engine.made import frames, made
from tests.node.received import receive, study_uid

UID = study_uid(1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "echocare-node.yaml"
    path.write_text("node: {data_dir: var, min_free_bytes: 0}\n")
    return load_settings(path, {})


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = connect(settings.database)
    migrate(engine)
    archive = Archive(settings.archive_dir)
    receive(archive, 1, 1, "first", datetime.now(UTC))
    index_incoming(archive, engine, quiet_s=30, now=datetime.now(UTC))
    archive.close()
    yield engine
    engine.dispose()


@pytest.fixture
def client(settings: Settings, engine: sa.Engine) -> Iterator[TestClient]:
    with TestClient(make_application(settings, engine), base_url="http://127.0.0.1") as client:
        yield client


def test_health__of_a_sound_node__is_ok_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200


def test_ready__database_gone_bad__is_503_with_the_fault(client: TestClient, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE delivery")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.json()["faults"]


def test_studies__one_received__is_listed_and_shown(client: TestClient) -> None:
    listed = client.get("/api/studies").json()["studies"]
    assert [(each["study_instance_uid"], each["state"], each["instances"]) for each in listed] == [(UID, "open", 1)]
    assert client.get(f"/api/studies/{UID}").json()["job_list"] == []
    assert client.get("/api/status").json()["instances"] == 1


def test_complete__of_an_open_study__leaves_the_signal_and_wakes_the_scheduler(
    client: TestClient, engine: sa.Engine, settings: Settings
) -> None:
    with Wake(settings.data_dir, SCHEDULER) as wake:
        answer = client.post(f"/api/studies/{UID}/complete")
        assert wake.wait(5)
    assert answer.status_code == 202
    assert answer.json()["signalled"] is True
    with read(engine) as connection:
        assert connection.execute(sa.select(study.c.signal)).scalar_one() == Signal.API


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/studies/1.2.3", 404, "study.unknown"),
        ("POST", "/api/studies/1.2.3/complete", 404, "study.unknown"),
        ("GET", "/api/studies?limit=0", 422, "http.422"),
        ("GET", "/nowhere", 404, "http.404"),
        ("DELETE", "/api/studies", 405, "http.405"),
    ],
)
def test_error__of_any_kind__has_the_one_shape(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message"}
    assert answer.json()["error"]["code"] == code


def test_request__under_a_foreign_host_name__is_refused_on_loopback(client: TestClient) -> None:
    assert client.get("/api/studies", headers={"Host": "attacker.example"}).status_code == 400


def test_engine__no_worker_runs__503_with_the_reason(client: TestClient) -> None:
    answer = client.get("/api/engine")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "engine-closed"


def test_engine__shared_by_a_worker__tells_tasks_and_what_it_did(
    client: TestClient, settings: Settings, tmp_path: Path
) -> None:
    with Engine(made(tmp_path, "first"), device="cpu") as engine, shared(engine, settings.data_dir):
        engine.run("first", frames(3))
        told = client.get("/api/engine").json()
    assert [each["task"] for each in told["tasks"]] == ["first"]
    assert told["metrics"]["squares"] >= 3
    assert 0 < told["metrics"]["occupancy"] <= 1
    assert told["metrics"]["milliseconds"]["encode"] > 0
