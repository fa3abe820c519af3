"""Deliveries to folders and to DICOM peers that are there, away, unwilling, or break off."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from integration.dimse import Peer, read_sendable
from node.config import Settings
from node.db import DeliveryState, connect, read
from node.jobs import Delivery, NewResult, finish, list_deliveries
from node.outbox import Outbox
from node.outbox.senders import FolderSender
from tests.integration.dimse.conftest import free_port, scripted_scp, storescp, write_object
from tests.node.queued import claimed, job

__all__ = ["storescp"]  # a fixture

StartScp = Callable[..., tuple[Peer, Path]]


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    (tmp_path / "var").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "var" / "node.db")
    engine = connect(f"sqlite:///{tmp_path}/var/node.db")
    yield engine
    engine.dispose()


def settings_with(tmp_path: Path, **peers: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "node": {"data_dir": str(tmp_path / "var")},
            "peers": peers,
            "outbox": {"poll_s": 0.02, "backoff_s": 0.02, "backoff_max_s": 0.05},
        }
    )


def folder(tmp_path: Path, name: str = "out") -> dict[str, Any]:
    return {"kind": "folder", "path": str(tmp_path / name)}


def dimse(peer: Peer) -> dict[str, Any]:
    return {
        "kind": "dimse",
        "ae_title": peer.ae_title,
        "host": peer.host,
        "port": peer.port,
        "connect_timeout_s": 20,
        "response_timeout_s": 60,
    }


def done_job(
    engine: sa.Engine, settings: Settings, study: int = 1, *, results: int = 2, **changes: object
) -> list[Path]:
    """A job that is done, with results that wait for every configured peer; their files."""
    now = datetime.now(UTC)
    job(engine, study, at=now, send_to=tuple(settings.peers), **changes)
    held = claimed(engine, at=now)
    paths = []
    rows = []
    for number in range(results):
        path = settings.results_dir / held.identity / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_object(path.with_name(f"{study}-{number}.dcm")).rename(path)
        uid = read_sendable(path).sop_instance_uid
        rows.append(
            NewResult(
                sop_instance_uid=uid,
                sop_class=read_sendable(path).sop_class_uid,
                study_uid=held.study_uid,
                series_uid=f"{held.study_uid}.7",
                role="SC",
                path=path.relative_to(settings.results_dir).as_posix(),
                sha256="0" * 64,
            )
        )
        paths.append(path)
    finish(engine, held, rows, held.send_to, now)
    return paths


def deliveries(engine: sa.Engine, destination: str) -> tuple[Delivery, ...]:
    with read(engine) as connection:
        return list_deliveries(connection, destination=destination)


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def all_accepted(engine: sa.Engine, destination: str) -> bool:
    found = deliveries(engine, destination)
    return bool(found) and all(one.state is DeliveryState.ACCEPTED for one in found)


@pytest.fixture
def running() -> Iterator[Callable[[Settings, sa.Engine], Outbox]]:
    started: list[Outbox] = []

    def start(settings: Settings, engine: sa.Engine) -> Outbox:
        outbox = Outbox(settings, engine)
        started.append(outbox)
        outbox.start()
        return outbox

    yield start
    for outbox in started:
        outbox.stop()


def test_outbox__folder__one_whole_file_per_result(tmp_path: Path, database: sa.Engine, running: Any) -> None:
    settings = settings_with(tmp_path, out=folder(tmp_path))
    sources = done_job(database, settings)
    running(settings, database)
    wait_for(lambda: all_accepted(database, "out"))
    expected = {
        tmp_path
        / "out"
        / "1.2.826.1"
        / "1.2.826.1.7"
        / f"{read_sendable(path).sop_instance_uid}.dcm": path.read_bytes()
        for path in sources
    }
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == expected


def test_outbox__storescp__has_every_result(
    tmp_path: Path, database: sa.Engine, running: Any, storescp: StartScp
) -> None:
    peer, stored = storescp()
    settings = settings_with(tmp_path, pacs=dimse(peer))
    sources = done_job(database, settings, results=3)
    running(settings, database)
    wait_for(lambda: all_accepted(database, "pacs"))
    assert {read_sendable(path).sop_instance_uid for path in stored.iterdir()} == {
        read_sendable(path).sop_instance_uid for path in sources
    }


def test_outbox__one_destination_down__the_other_gets_its_results_and_the_reason_stands(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    away = Peer(ae_title="PEER", host="127.0.0.1", port=free_port())
    settings = settings_with(tmp_path, pacs=dimse(away), out=folder(tmp_path))
    done_job(database, settings)
    running(settings, database)
    wait_for(lambda: all_accepted(database, "out"))
    wait_for(lambda: all(one.error for one in deliveries(database, "pacs")))
    for one in deliveries(database, "pacs"):
        assert one.state in (DeliveryState.READY, DeliveryState.LEASED)
        assert one.error_code == "dimse.unreachable"
        assert f"127.0.0.1:{away.port}" in (one.error or "")


def test_outbox__destination_comes_back__results_arrive(
    tmp_path: Path, database: sa.Engine, running: Any, storescp: StartScp
) -> None:
    port = free_port()
    settings = settings_with(tmp_path, pacs=dimse(Peer(ae_title="PEER", host="127.0.0.1", port=port)))
    done_job(database, settings)
    running(settings, database)
    wait_for(lambda: all(one.attempt >= 2 for one in deliveries(database, "pacs")))
    storescp(port=port)
    wait_for(lambda: all_accepted(database, "pacs"))


def test_outbox__context_refused__retried_with_the_reason_and_others_unaffected(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    ae = AE(ae_title="PEER")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        refusing = Peer(ae_title="PEER", host="127.0.0.1", port=server.server_address[1])
        settings = settings_with(tmp_path, pacs=dimse(refusing), out=folder(tmp_path))
        done_job(database, settings)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "out"))
        wait_for(lambda: all(one.attempt >= 2 for one in deliveries(database, "pacs")))
        assert {one.error_code for one in deliveries(database, "pacs")} == {"dimse.context-refused"}
    finally:
        server.shutdown()


def test_outbox__peer_aborts_half_way_then_recovers__everything_arrives_once(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    taken: list[str] = []
    aborted: list[str] = []

    def c_store(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if len(aborted) < 2:
            aborted.append(uid)
            event.assoc.abort()
            return 0xA700
        taken.append(uid)
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        settings = settings_with(tmp_path, pacs=dimse(peer))
        sources = done_job(database, settings, results=3)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "pacs"))
    assert sorted(taken) == sorted(read_sendable(path).sop_instance_uid for path in sources)


def test_outbox__object_refused_for_good__failed_with_the_reason(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    with scripted_scp(c_store=lambda event: 0xA900) as peer:
        settings = settings_with(tmp_path, pacs=dimse(peer))
        done_job(database, settings, results=1)
        running(settings, database)
        wait_for(lambda: deliveries(database, "pacs")[0].state is DeliveryState.FAILED)
    assert "0xA900" in (deliveries(database, "pacs")[0].error or "")


def test_outbox__result_file_gone__failed_and_the_rest_goes_on(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    settings = settings_with(tmp_path, out=folder(tmp_path))
    gone, _ = done_job(database, settings)
    gone.unlink()
    running(settings, database)
    wait_for(
        lambda: {one.state for one in deliveries(database, "out")} == {DeliveryState.ACCEPTED, DeliveryState.FAILED}
    )


def test_outbox__peer_answers_slowly__another_destination_does_not_wait(
    tmp_path: Path, database: sa.Engine, running: Any
) -> None:
    release = threading.Event()

    def c_store(event: Any) -> int:
        release.wait(60)
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        settings = settings_with(tmp_path, pacs=dimse(peer), out=folder(tmp_path))
        done_job(database, settings, results=1)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "out"), timeout_s=30)
        assert deliveries(database, "pacs")[0].state is DeliveryState.LEASED
        release.set()
        wait_for(lambda: all_accepted(database, "pacs"))


def test_folder_sender__killed_and_repeated__same_single_file(tmp_path: Path, database: sa.Engine) -> None:
    settings = settings_with(tmp_path, out=folder(tmp_path))
    done_job(database, settings, results=1)
    (delivery,) = deliveries(database, "out")
    target = tmp_path / "out" / delivery.study_uid / delivery.series_uid
    target.mkdir(parents=True)
    (target / f".{delivery.sop_instance_uid}.part").write_bytes(b"half of what a killed attempt wro")
    sender = FolderSender(tmp_path / "out", settings.results_dir)
    for _ in range(2):
        (sent,) = sender.send([delivery])
        assert sent.error is None
    assert [path.name for path in target.iterdir()] == [f"{delivery.sop_instance_uid}.dcm"]


def test_folder_sender__folder_not_writable__retryable_and_down(tmp_path: Path, database: sa.Engine) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    settings = settings_with(tmp_path, out=folder(tmp_path))
    done_job(database, settings, results=1)
    (sent,) = FolderSender(tmp_path / "out", settings.results_dir).send(deliveries(database, "out"))
    assert sent.error is not None
    assert sent.error.retryable
    assert sent.destination_down
