"""Storage commitment asked of archives: those that commit, those that refuse, forget or fall silent, and Orthanc."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context, build_role

from integration.dimse import CommitmentRequest, Peer, Reference, request_commitment
from node.config import Settings
from node.db import DeliveryState, connect, read, write
from node.db.tables import delivery
from node.jobs import Delivery, list_deliveries
from node.listener.options import service_options
from node.outbox import Outbox
from node.overview import delivery_document
from tests.node.listener.running import listening
from tests.node.outbox.test_outbox import done_job, folder, wait_for
from tests.node.queued import accept_one
from tests.peers.orthanc import orthanc

COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
NO_SUCH_INSTANCE = 0x0112

Judge = Callable[[int, Sequence[str]], "dict[str, int] | None"]


class ScriptedArchive:
    """Stores and commits, as the test says.

    `judge` is called with the number of the asking, from 1, and the instances; it gives the failure reasons, or None
    for an archive that never reports.
    """

    def __init__(self, judge: Judge, *, listener_port: int | None = None) -> None:
        self._judge = judge
        self._listener_port = listener_port  # None: reports go out on the association of the request
        self.stored: list[str] = []
        self.transactions: list[str] = []
        self.answers: list[int] = []  # statuses of our N-EVENT-REPORT responses
        self._threads: list[threading.Thread] = []

    def store(self, event: Any) -> int:
        self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def act(self, event: Any) -> tuple[int, None]:
        asked = event.action_information
        self.transactions.append(str(asked.TransactionUID))
        items = list(asked.ReferencedSOPSequence)
        failures = self._judge(len(self.transactions), [item.ReferencedSOPInstanceUID for item in items])
        if failures is not None:
            report = Dataset()
            report.TransactionUID = asked.TransactionUID
            report.ReferencedSOPSequence = [i for i in items if i.ReferencedSOPInstanceUID not in failures]
            report.FailedSOPSequence = [i for i in items if i.ReferencedSOPInstanceUID in failures]
            for item in report.FailedSOPSequence:
                item.FailureReason = failures[item.ReferencedSOPInstanceUID]
            for keyword in ("ReferencedSOPSequence", "FailedSOPSequence"):
                if not report[keyword].value:
                    del report[keyword]
            target = self._report_here if self._listener_port is None else self._report_there
            thread = threading.Thread(target=target, args=(event.assoc, report, 2 if failures else 1))
            self._threads.append(thread)
            thread.start()
        return 0x0000, None

    def _report_here(self, assoc: Any, report: Dataset, event_type: int) -> None:
        status, _ = assoc.send_n_event_report(report, event_type, COMMITMENT, WELL_KNOWN)
        self.answers.append(int(status.get("Status", -1)))

    def _report_there(self, _assoc: Any, report: Dataset, event_type: int) -> None:
        ae = AE(ae_title="ARCHIVE")
        assert self._listener_port is not None
        assoc = ae.associate(
            "127.0.0.1", self._listener_port, contexts=[build_context(COMMITMENT)], ae_title="ECHOCARE",
            ext_neg=[build_role(COMMITMENT, scp_role=True)],
        )  # fmt: skip
        assert assoc.is_established
        assert assoc.accepted_contexts[0].as_scp  # the role selection was answered
        status, _ = assoc.send_n_event_report(report, event_type, COMMITMENT, WELL_KNOWN)
        self.answers.append(int(status.get("Status", -1)))
        assoc.release()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)


@contextmanager
def archive(judge: Judge, *, listener_port: int | None = None) -> Iterator[tuple[ScriptedArchive, dict[str, Any]]]:
    """A scripted archive, and how it stands in the configuration."""
    made = ScriptedArchive(judge, listener_port=listener_port)
    with serving(made) as peer:
        yield made, peer


@contextmanager
def serving(made: ScriptedArchive) -> Iterator[dict[str, Any]]:
    """Let an archive be heard."""
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    ae.add_supported_context(COMMITMENT)
    handlers: list[Any] = [(evt.EVT_C_STORE, made.store), (evt.EVT_N_ACTION, made.act)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield committing("ARCHIVE", server.server_address[1])
    finally:
        made.join()
        server.shutdown()


def committing(ae_title: str, port: int, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "dimse", "ae_title": ae_title, "host": "127.0.0.1", "port": port, "commitment": True,
        "connect_timeout_s": 20, "response_timeout_s": 60, "commitment_wait_s": 120, "commitment_linger_s": 30,
        **changes,
    }  # fmt: skip


class Sending:
    """A node's outbox with deliveries waiting."""

    def __init__(self, tmp_path: Path, template: Path, **peers: dict[str, Any]) -> None:
        (tmp_path / "var").mkdir(exist_ok=True)
        if not (tmp_path / "var" / "node.db").exists():
            shutil.copy(template, tmp_path / "var" / "node.db")
        self.settings = Settings.model_validate(
            {
                "node": {"data_dir": str(tmp_path / "var")},
                "peers": peers,
                "outbox": {"poll_s": 0.02, "backoff_s": 0.02, "backoff_max_s": 0.05},
            }
        )
        self.engine = connect(self.settings.database)
        self._outbox = Outbox(self.settings, self.engine)

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        self._outbox.stop()
        self.engine.dispose()

    def start(self, results: int = 2) -> None:
        done_job(self.engine, self.settings, results=results)
        self._outbox.start()

    def to(self, destination: str) -> tuple[Delivery, ...]:
        with read(self.engine) as connection:
            return list_deliveries(connection, destination=destination)

    def are(self, state: DeliveryState, destination: str = "pacs") -> bool:
        return all(each.state is state for each in self.to(destination))

    def words(self, destination: str = "pacs") -> set[str]:
        return {each.state_words for each in self.to(destination)}


def test_archive__commits_on_the_same_association__delivery_is_committed(tmp_path: Path, migrated_sqlite: Path) -> None:
    with archive(lambda _n, _uids: {}) as (made, peer), Sending(tmp_path, migrated_sqlite, pacs=peer) as node:
        node.start()
        wait_for(lambda: node.are(DeliveryState.COMMITTED))
        made.join()
        assert set(made.answers) == {0}
        assert {each.committed_at is not None for each in node.to("pacs")} == {True}
        assert node.words() == {"committed"}


def test_archive__reports_at_once__has_its_answer_before_the_association_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Preempted(threading.Event):
        """Others run before whoever sets it goes on, as on a busy machine."""

        def set(self) -> None:
            super().set()
            threading.Event().wait(0.05)

    monkeypatch.setattr("integration.dimse.commitment.threading", SimpleNamespace(Event=Preempted))
    asked = CommitmentRequest(
        transaction_uid="1.2.826.99.1", references=(Reference(sop_class=COMMITMENT, sop_instance="1.2.826.1.1"),)
    )
    with archive(lambda _n, _uids: {}) as (made, configured):
        peer = Peer(ae_title="ARCHIVE", host="127.0.0.1", port=configured["port"], response_timeout_s=60)
        report = request_commitment(peer, asked, 30)
        made.join()
    assert report is not None
    assert made.answers == [0]


def test_archive__reports_on_an_association_of_its_own__listener_takes_it(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    with ExitStack() as stack:
        settings = Settings.model_validate({"node": {"data_dir": str(tmp_path / "var")}})
        (tmp_path / "var").mkdir()
        shutil.copy(migrated_sqlite, tmp_path / "var" / "node.db")
        listener = stack.enter_context(listening(settings.data_dir, services=service_options(settings)))
        made, peer = stack.enter_context(archive(lambda _n, _uids: {}, listener_port=listener.port))
        node = stack.enter_context(Sending(tmp_path, migrated_sqlite, pacs={**peer, "commitment_linger_s": 0}))
        node.start()
        wait_for(lambda: node.are(DeliveryState.COMMITTED))
        made.join()
        assert set(made.answers) == {0}


def test_archive__never_reports__is_shown_as_not_committed_and_asked_again(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    go_on = threading.Event()

    def judge(number: int, _uids: Sequence[str]) -> dict[str, int] | None:
        return {} if go_on.is_set() else None

    with archive(judge) as (made, peer):
        peer |= {"commitment_wait_s": 0.05, "commitment_linger_s": 0.5}
        with Sending(tmp_path, migrated_sqlite, pacs=peer) as node:
            node.start(results=1)
            wait_for(lambda: len(made.transactions) >= 2)
            assert node.words() == {"sent, not committed"}
            assert {delivery_document(each)["awaits_commitment"] for each in node.to("pacs")} == {True}
            go_on.set()
            wait_for(lambda: node.are(DeliveryState.COMMITTED))
    assert len(set(made.transactions)) == len(made.transactions)  # each asking is a transaction of its own
    assert len(made.stored) == 1  # it was not sent again


def test_archive__names_one_that_failed__only_that_one_is_delivered_again(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    lost: list[str] = []

    def judge(_number: int, uids: Sequence[str]) -> dict[str, int]:
        if not lost:
            lost.append(uids[0])
            return {uids[0]: NO_SUCH_INSTANCE}
        return {}

    with archive(judge) as (made, peer), Sending(tmp_path, migrated_sqlite, pacs=peer) as node:
        node.start(results=3)
        wait_for(lambda: node.are(DeliveryState.COMMITTED))
        assert sorted(made.stored.count(uid) for uid in set(made.stored)) == [1, 1, 2]
        assert made.stored.count(lost[0]) == 2


def test_archive__always_names_it_as_failed__is_given_up_with_the_reason(tmp_path: Path, migrated_sqlite: Path) -> None:
    with archive(lambda _n, uids: dict.fromkeys(uids, NO_SUCH_INSTANCE)) as (_, peer):
        node = Sending(tmp_path, migrated_sqlite, pacs=peer)
        node.settings = node.settings.model_copy(
            update={"outbox": node.settings.outbox.model_copy(update={"max_attempts": 3})}
        )
        node._outbox = Outbox(node.settings, node.engine)
        with node:
            node.start(results=1)
            wait_for(lambda: node.are(DeliveryState.FAILED))
            (given_up,) = node.to("pacs")
            assert given_up.attempt == 3
            assert "0x0112 no such object instance (given up after 3 attempts)" in (given_up.error or "")


def test_archive__refuses_the_request__says_so_and_is_asked_again(tmp_path: Path, migrated_sqlite: Path) -> None:
    refusals = [0x0213, 0x0213]

    class Busy(ScriptedArchive):
        def act(self, event: Any) -> tuple[int, None]:
            return (refusals.pop(), None) if refusals else super().act(event)

    with serving(Busy(lambda _n, _uids: {})) as peer, Sending(tmp_path, migrated_sqlite, pacs=peer) as node:
        node.start(results=1)
        wait_for(lambda: node.are(DeliveryState.COMMITTED))
    assert not refusals


def test_archive__takes_the_association_and_says_nothing__delivery_stays_and_others_are_committed(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    silence = threading.Event()

    class Deaf(ScriptedArchive):
        def act(self, event: Any) -> tuple[int, None]:
            silence.wait(60)
            return 0x0000, None

    with serving(Deaf(lambda _n, _uids: None)) as silent, archive(lambda _n, _uids: {}) as (_, peer):
        silent |= {"response_timeout_s": 1}
        with Sending(tmp_path, migrated_sqlite, deaf=silent, pacs=peer, out=folder(tmp_path)) as node:
            node.start()
            wait_for(lambda: node.are(DeliveryState.COMMITTED))
            wait_for(lambda: node.are(DeliveryState.ACCEPTED, "out"))
            wait_for(lambda: all("did not answer N-ACTION" in (each.error or "") for each in node.to("deaf")))
            assert node.words("deaf") == {"sent, not committed"}
            assert node.words("out") == {"accepted"}  # a folder is never asked
            silence.set()


def test_archive__offers_no_storage_commitment__says_so(tmp_path: Path, migrated_sqlite: Path) -> None:
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: 0x0000)])
    assert server is not None
    with Sending(tmp_path, migrated_sqlite, pacs=committing("ARCHIVE", server.server_address[1])) as node:
        node.start(results=1)
        wait_for(lambda: "does not take the Storage Commitment" in (node.to("pacs")[0].error or ""))
        assert node.words() == {"sent, not committed"}
    server.shutdown()


def test_asking__killed_after_it_was_written_down__is_asked_again(tmp_path: Path, migrated_sqlite: Path) -> None:
    from node.jobs import begin_asking, claim_deliveries

    with archive(lambda _n, _uids: {}) as (made, peer):
        peer |= {"commitment_wait_s": 0.05}
        with Sending(tmp_path, migrated_sqlite, pacs=peer) as node:
            done_job(node.engine, node.settings, results=1)
            now = datetime.now(UTC)
            (held,) = claim_deliveries(node.engine, "pacs", "killed", now, policy=node.settings.outbox)
            accept_one(node.engine, held, now, commits=True)
            assert begin_asking(node.engine, "pacs", now, wait_s=0.05, limit=10) is not None
            node._outbox.start()
            wait_for(lambda: node.are(DeliveryState.COMMITTED))
            assert len(made.transactions) >= 1


def test_orthanc__commits__and_what_it_lost_is_delivered_again(tmp_path: Path, migrated_sqlite: Path) -> None:
    """Orthanc reports on an association of its own, so the node's listener is part of this."""
    with ExitStack() as stack:
        (tmp_path / "var").mkdir()
        shutil.copy(migrated_sqlite, tmp_path / "var" / "node.db")
        settings = Settings.model_validate({"node": {"data_dir": str(tmp_path / "var")}})
        listener = stack.enter_context(listening(settings.data_dir, services=service_options(settings)))
        modalities = {"ECHOCARE": ("127.0.0.1", listener.port)}
        peer = stack.enter_context(orthanc(tmp_path / "orthanc", modalities=modalities))
        node = stack.enter_context(
            Sending(
                tmp_path, migrated_sqlite,
                pacs=committing("ORTHANC", peer.dicom_port, commitment_linger_s=0.05),
            )
        )  # fmt: skip
        node.start(results=3)
        wait_for(lambda: node.are(DeliveryState.COMMITTED), 120)
        assert peer.total() == 3

        # What Orthanc does not have any more it names as failed: it is delivered again, and committed to then.
        instance = peer.client.get("/instances").json()[0]
        peer.client.delete(f"/instances/{instance}").raise_for_status()
        assert peer.total() == 2
        with write(node.engine) as connection:
            connection.execute(
                delivery.update().values(
                    state=DeliveryState.ACCEPTED, commit_due_at=datetime.now(UTC), committed_at=None
                )
            )
        wait_for(lambda: node.are(DeliveryState.COMMITTED), 120)
        assert peer.total() == 3
