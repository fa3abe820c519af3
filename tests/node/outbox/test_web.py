"""Deliveries over HTTP, and what every destination has: roles, hours, pace, connections, remarks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import dcmread

from integration.dimse import CommitmentReport, Peer, Reference, read_sendable
from integration.results import write_results
from node.config import Settings
from node.db import DeliveryState, connect, read
from node.jobs import AsSent, NewResult, begin_asking, claim_deliveries, finish, take_report
from node.outbox import Courier, Outbox, sender_for
from node.outbox.pace import Pace
from tests.integration.dimse.conftest import scripted_scp
from tests.integration.results.sources import head_findings, request_of, write_source
from tests.integration.test_dicomweb_sending import told
from tests.node.outbox.test_outbox import (
    all_accepted,
    database,
    deliveries,
    dimse,
    done_job,
    folder,
    running,
    settings_with,
    wait_for,
)
from tests.node.queued import accept_one, claimed, job
from tests.peers.dcmtk import storescp
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port
from tests.peers.scripted_http import Answer, Asked, scripted_http

__all__ = ["database", "running"]  # fixtures

Running = Callable[[Settings, sa.Engine], Outbox]
ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
VERIFICATION = "1.2.840.10008.1.1"


def web(kind: str, url: str, **changes: Any) -> dict[str, Any]:
    return {"kind": kind, "url": url, "connect_timeout_s": 20, "response_timeout_s": 60, **changes}


def stored_all(asked: Asked, paths: list[Path]) -> Answer:
    """What a server says that stores all that came."""
    found = [read_sendable(path).sop_instance_uid for path in paths]
    return told({uid: 0 for uid in found if uid.encode() in asked.body}, {})


@pytest.mark.parametrize("kind", ["dicomweb", "orthanc"])
def test_outbox__orthanc_restarts_in_between__everything_arrives(
    kind: str, tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    port = free_port()
    root = f"http://127.0.0.1:{port}" + ("/dicom-web" if kind == "dicomweb" else "")
    settings = settings_with(tmp_path, pacs=web(kind, root))
    with orthanc(tmp_path / "orthanc", http_port=port):
        done_job(database, settings)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "pacs"))
    done_job(database, settings, study=2)
    wait_for(lambda: max(one.attempt for one in deliveries(database, "pacs")) >= 2)
    (reason,) = {one.error_code for one in deliveries(database, "pacs") if one.error_code}
    assert reason == "web.down"
    with orthanc(tmp_path / "orthanc", http_port=port) as pacs:
        wait_for(lambda: all_accepted(database, "pacs"))
        assert pacs.total() == 4


def test_outbox__dicomweb_peer_is_down__the_other_destination_gets_its_results(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    port = free_port()
    settings = settings_with(tmp_path, pacs=web("dicomweb", f"http://127.0.0.1:{port}"), out=folder(tmp_path))
    done_job(database, settings)
    running(settings, database)
    wait_for(lambda: all_accepted(database, "out"))
    wait_for(lambda: all(one.error for one in deliveries(database, "pacs")))
    assert all(str(port) in (one.error or "") for one in deliveries(database, "pacs"))
    assert not any(one.state is DeliveryState.FAILED for one in deliveries(database, "pacs"))


def test_outbox__stow_peer_fails_some__one_for_good_one_later_one_with_a_note(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    settings_for = {"pacs": web("dicomweb", "http://127.0.0.1:1")}
    paths = done_job(database, settings_with(tmp_path, **settings_for), results=3)
    bad, later, coerced = (read_sendable(path).sop_instance_uid for path in paths)
    once = threading.Event()

    def answer(asked: Asked) -> Answer:
        came = [uid for uid in (bad, later, coerced) if uid.encode() in asked.body]
        failed: dict[str, int | None] = {bad: 0xC000} if bad in came else {}
        if later in came and not once.is_set():
            once.set()
            failed[later] = 0xA700
        return told({uid: 0xB006 if uid == coerced else 0 for uid in came if uid not in failed}, failed)

    with scripted_http(answer) as server:
        settings = settings_with(tmp_path, pacs=web("dicomweb", server.url))
        running(settings, database)
        ended = {DeliveryState.ACCEPTED, DeliveryState.FAILED}
        wait_for(lambda: all(one.state in ended for one in deliveries(database, "pacs")))
    by_uid = {one.sop_instance_uid: one for one in deliveries(database, "pacs")}
    assert by_uid[bad].state is DeliveryState.FAILED and "C000" in (by_uid[bad].error or "")
    assert by_uid[later].state is DeliveryState.ACCEPTED and by_uid[later].attempt == 2
    assert by_uid[coerced].attempt == 1 and "elements discarded" in (by_uid[coerced].note or "")


def test_outbox__login_is_refused_then_mended__everything_arrives(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    secret = tmp_path / "token"
    login = {"token_file": str(secret)}
    paths = done_job(database, settings_with(tmp_path, pacs=web("dicomweb", "http://127.0.0.1:1")))

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Bearer right":
            return 401, "text/plain", b"no"
        return stored_all(asked, paths)

    def codes() -> set[str | None]:
        return {one.error_code for one in deliveries(database, "pacs")}

    with scripted_http(answer) as server:
        settings = settings_with(tmp_path, pacs=web("dicomweb", server.url, login=login))
        running(settings, database)
        wait_for(lambda: codes() == {"delivery.secret_missing"})
        assert server.asked == []
        secret.write_text("wrong\n")
        wait_for(lambda: codes() == {"web.login"})
        assert "wrong" not in " ".join(one.error or "" for one in deliveries(database, "pacs"))
        secret.write_text("right\n")
        wait_for(lambda: all_accepted(database, "pacs"))


def test_outbox__password_from_the_environment__is_sent(
    tmp_path: Path, database: sa.Engine, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_PASSWORD", "right")
    paths = done_job(database, settings_with(tmp_path, pacs=web("dicomweb", "http://127.0.0.1:1")))
    with scripted_http(lambda asked: stored_all(asked, paths)) as server:
        login = {"user": "node", "password_env": "PACS_PASSWORD"}
        running(settings_with(tmp_path, pacs=web("dicomweb", server.url, login=login)), database)
        wait_for(lambda: all_accepted(database, "pacs"))
        assert {asked.headers["authorization"] for asked in server.asked} == {"Basic bm9kZTpyaWdodA=="}


def test_outbox__peer_accepts_the_association_and_then_says_nothing__only_one_pays_for_each_look(
    tmp_path: Path, database: sa.Engine
) -> None:
    release = threading.Event()

    def c_store(event: Any) -> int:
        release.wait(60)
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        settings = settings_with(tmp_path, pacs={**dimse(peer), "response_timeout_s": 0.3}, out=folder(tmp_path))
        done_job(database, settings, results=3)
        for name in settings.peers:
            Courier(settings, name, sender_for(settings, name), database).step()
        release.set()
    assert all_accepted(database, "out")
    tried, *others = sorted(deliveries(database, "pacs"), key=lambda one: -one.attempt)
    assert (tried.attempt, tried.error_code) == (1, "dimse.timeout")
    assert [(one.attempt, one.state) for one in others] == [(0, DeliveryState.READY)] * 2


@pytest.mark.parametrize(("status", "words"), [(0xB000, "coercion"), (0xB006, "discarded"), (0xB007, "match")])
def test_outbox__peer_warns__accepted_and_the_remark_is_kept(
    status: int, words: str, tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    with scripted_scp(c_store=lambda event: status) as peer:
        settings = settings_with(tmp_path, pacs=dimse(peer))
        done_job(database, settings, results=1)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "pacs"))
    (one,) = deliveries(database, "pacs")
    assert words in (one.note or "")
    assert one.sent_words == ""


def real_results(tmp_path: Path, database: sa.Engine, settings: Settings) -> dict[str, str]:
    """A job that is done, with a SEG, an SR and an SC that wait for every configured peer; UIDs by role."""
    now = datetime.now(UTC)
    job(database, at=now, send_to=tuple(settings.peers))
    held = claimed(database, at=now)
    source = write_source(tmp_path / "source", frames=2)
    place = settings.results_dir / held.identity
    place.mkdir(parents=True)
    made = write_results(request_of(source, head_findings(source)), place)
    rows = [
        NewResult(
            sop_instance_uid=one.sop_instance_uid,
            sop_class=one.sop_class_uid,
            study_uid=one.study_instance_uid,
            series_uid=one.series_instance_uid,
            role=one.role,
            path=one.path.relative_to(settings.results_dir).as_posix(),
            sha256=one.sha256,
        )
        for one in made
        if one.role in ("SEG", "SR", "SC")
    ]
    finish(database, held, rows, held.send_to, now, takes=settings.takes)
    return {one.role: one.sop_instance_uid for one in rows}


def test_outbox__peer_takes_enhanced_sr_and_no_jpeg__what_was_sent_instead_is_recorded(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    seg, capture = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.7.4"
    with storescp(tmp_path / "scp", taken=[VERIFICATION, ENHANCED, seg, capture]) as scp:
        settings = settings_with(tmp_path, pacs=dimse(Peer(ae_title="STORESCP", host="127.0.0.1", port=scp.port)))
        uids = real_results(tmp_path, database, settings)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "pacs"))
        kept = {str(dcmread(path).SOPInstanceUID): dcmread(path) for path in scp.files}
    by_role = {one.role: one for one in deliveries(database, "pacs")}
    assert by_role["SEG"].sent_words == ""
    assert by_role["SC"].sent_words == "Explicit VR Little Endian"
    assert by_role["SR"].sent_sop_class == ENHANCED
    instead = by_role["SR"].sent_sop_instance_uid
    assert instead is not None and instead != uids["SR"]
    assert set(kept) == {uids["SEG"], uids["SC"], instead}
    assert kept[instead].SOPClassUID == ENHANCED


def test_outbox__falling_back_is_switched_off__the_sr_waits_and_says_why(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    with storescp(tmp_path / "scp", taken=[ENHANCED]) as scp:
        peer = dimse(Peer(ae_title="STORESCP", host="127.0.0.1", port=scp.port))
        settings = settings_with(tmp_path, pacs={**peer, "fall_back": False, "roles": ["SR"]})
        real_results(tmp_path, database, settings)
        running(settings, database)
        wait_for(lambda: all(one.error for one in deliveries(database, "pacs")))
    assert {one.error_code for one in deliveries(database, "pacs")} == {"dimse.context-refused"}


def test_finish__destination_takes_some_roles__the_others_are_not_sent_there(
    tmp_path: Path, database: sa.Engine
) -> None:
    settings = settings_with(
        tmp_path,
        pacs={**folder(tmp_path, "a"), "roles": ["SEG", "SR"]},
        viewer={**folder(tmp_path, "b"), "roles": ["SC"]},
        all=folder(tmp_path, "c"),
    )  # fmt: skip
    real_results(tmp_path, database, settings)
    assert {name: {one.role for one in deliveries(database, name)} for name in settings.peers} == {
        "pacs": {"SEG", "SR"}, "viewer": {"SC"}, "all": {"SEG", "SR", "SC"}
    }  # fmt: skip
    assert settings.takes("pacs", "SR-TEXT") and not settings.takes("pacs", "SC")


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def test_courier__outside_its_hours__sends_nothing_and_everything_once_they_begin(
    tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    settings = settings_with(tmp_path, out={**folder(tmp_path), "hours": ["22:00-06:00"]})
    done_job(database, settings)
    noon = (datetime.now(UTC) + timedelta(days=1)).replace(hour=12, minute=0, second=0)
    clock = Clock(noon)
    courier = Courier(settings, "out", sender_for(settings, "out"), database, clock)
    assert not courier.step()
    assert [one.attempt for one in deliveries(database, "out")] == [0, 0]
    clock.now = noon.replace(hour=22)
    assert courier.step()
    assert all_accepted(database, "out")


def waiting_settings(tmp_path: Path, kind: str, url: str, **outbox: float) -> Settings:
    """Settings with one destination over HTTP and waits that a test can tell apart."""
    settings = settings_with(tmp_path, pacs=web(kind, url))
    return settings.model_copy(update={"outbox": settings.outbox.model_copy(update=outbox)})


@pytest.mark.parametrize("kind", ["dicomweb", "orthanc"])
@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize("told_as", ["seconds", "date"])
def test_courier__server_says_when_to_come_again__is_left_alone_till_then_with_what_comes_new_too(
    kind: str, status: int, told_as: str, tmp_path: Path, database: sa.Engine
) -> None:
    paths: list[Path] = []
    busy = [True]

    def answer(asked: Asked) -> Answer:
        if busy[0]:
            later = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
            return status, "text/plain", b"", {"Retry-After": "120" if told_as == "seconds" else later}
        taken = (200, "application/json", b'{"ID": "x", "Status": "Success"}')
        return stored_all(asked, paths) if kind == "dicomweb" else taken

    with scripted_http(answer) as server:
        settings = waiting_settings(tmp_path, kind, server.url, backoff_s=1, backoff_max_s=300)
        paths += done_job(database, settings)
        clock = Clock(datetime.now(UTC) + timedelta(seconds=1))
        pace = Pace(None, None, lambda: clock.now.timestamp())
        first, second = (
            Courier(settings, "pacs", sender_for(settings, "pacs"), database, clock, pace=pace) for _ in range(2)
        )
        assert first.step()
        began, found = clock.now, deliveries(database, "pacs")
        # A date has no parts of seconds.
        assert all(118 <= (one.not_before - began).total_seconds() <= 121 for one in found)
        assert "it asks to be left alone for 1" in (max(found, key=lambda one: one.attempt).error or "")
        busy[0] = False
        paths += done_job(database, settings, study=2)
        clock.now = began + timedelta(seconds=117)
        assert (first.step(), second.step(), len(server.asked)) == (False, False, 1)
        clock.now = began + timedelta(seconds=122)
        assert second.step()
        assert all_accepted(database, "pacs")


@pytest.mark.parametrize(
    ("asked", "waits"), [("86400", 300), ("1", 60), ("0", 60), ("Fri, 27 Nov 2026 12:00:00 GMT", 60), ("soon", 60)]
)
def test_courier__server_asks_for_more_or_less_than_the_usual_wait__it_is_no_less_and_no_more_than_the_longest(
    asked: str, waits: int, tmp_path: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.jobs.leases._jitter", SimpleNamespace(uniform=lambda low, high: high))
    with scripted_http(lambda _: (503, "text/plain", b"", {"Retry-After": asked})) as server:
        settings = waiting_settings(tmp_path, "dicomweb", server.url, backoff_s=60, backoff_max_s=300)
        done_job(database, settings, results=1)
        clock = Clock(datetime.now(UTC) + timedelta(seconds=1))
        assert Courier(settings, "pacs", sender_for(settings, "pacs"), database, clock).step()
    (one,) = deliveries(database, "pacs")
    assert one.not_before - clock.now == timedelta(seconds=waits)


def test_courier__with_a_pace__sends_no_faster_and_puts_nothing_back(tmp_path: Path, database: sa.Engine) -> None:
    now = [0.0]
    settings = settings_with(tmp_path, out=folder(tmp_path))
    done_job(database, settings, results=5)
    pace = Pace(60, None, lambda: now[0])
    courier = Courier(settings, "out", sender_for(settings, "out"), database, pace=pace)
    sent = []
    for _ in range(5):
        assert courier.step()
        assert not courier.step()
        sent.append(sum(one.state is DeliveryState.ACCEPTED for one in deliveries(database, "out")))
        now[0] += 1
    assert sent == [1, 2, 3, 4, 5]
    assert {one.attempt for one in deliveries(database, "out")} == {1}


def test_outbox__several_connections__send_at_the_same_time_and_each_result_once(
    tmp_path: Path, database: sa.Engine, running: Running
) -> None:
    both = threading.Barrier(2, timeout=60)
    taken: list[str] = []

    def c_store(event: Any) -> int:
        taken.append(str(event.request.AffectedSOPInstanceUID))
        both.wait()  # goes on only when another association stores too
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        settings = settings_with(tmp_path, pacs={**dimse(peer), "connections": 2})
        settings = settings.model_copy(update={"outbox": settings.outbox.model_copy(update={"batch": 1})})
        done_job(database, settings, results=4)
        running(settings, database)
        wait_for(lambda: all_accepted(database, "pacs"))
    assert len(taken) == len(set(taken)) == 4


def test_outbox__what_a_peer_was_sent_instead__is_what_it_is_asked_to_commit_to(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "node.db")
    engine = connect(f"sqlite:///{tmp_path}/node.db")
    (tmp_path / "var").mkdir()
    settings = settings_with(tmp_path, out=folder(tmp_path))
    done_job(engine, settings, results=2)
    now = datetime.now(UTC)
    first, second = claim_deliveries(engine, "out", "me", now, policy=settings.outbox)
    accept_one(engine, first, now, commits=True, sent=AsSent(sop_class=ENHANCED, sop_instance_uid="2.25.99"))
    accept_one(engine, second, now, commits=True)
    asking = begin_asking(engine, "out", now, wait_s=60, limit=10)
    assert asking is not None
    assert set(asking.instances) == {(ENHANCED, "2.25.99"), (second.sop_class, second.sop_instance_uid)}
    committed = tuple(Reference(sop_class=a, sop_instance=b) for a, b in asking.instances)
    report = CommitmentReport(transaction_uid=asking.transaction_uid, committed=committed, failed=())
    assert take_report(engine, report, now, policy=settings.outbox)
    with read(engine):
        assert {one.state for one in deliveries(engine, "out")} == {DeliveryState.COMMITTED}
    engine.dispose()
