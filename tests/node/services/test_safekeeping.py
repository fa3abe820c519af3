"""Storage commitment as others ask it of this node, with reports on the same and on another association."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import Dataset

from integration.dimse import Peer
from node.db import ReportState, read
from node.db.tables import commitment_request as requests
from node.db.tables import instance
from node.services.reporter import Reporter
from tests.node.received import instance_uid
from tests.node.services.site import (
    COMMITMENT,
    QUIET_S,
    WELL_KNOWN,
    Reports,
    Site,
    asker,
    calling,
    commitment_request,
    reference,
    site,
    working,
)
from tests.peers.processes import free_port, wait_until

TRANSACTION = "1.2.826.99.1"
ULTRASOUND_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3.1"


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Site]:
    with site(tmp_path, migrated_sqlite) as made:
        yield made


def ask(assoc: Any, *references: Dataset, transaction: str = TRANSACTION, action: int = 1) -> int:
    status, _ = assoc.send_n_action(commitment_request(transaction, *references), action, COMMITMENT, WELL_KNOWN)
    return int(status.Status)


def committed(report: Dataset) -> set[str]:
    return {item.ReferencedSOPInstanceUID for item in report.get("ReferencedSOPSequence", [])}


def failed(report: Dataset) -> dict[str, int]:
    return {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.get("FailedSOPSequence", [])}


def request_row(node: Site) -> Any:
    with read(node.engine) as connection:
        return connection.execute(sa.select(requests)).one()


def is_reported(node: Site) -> bool:
    return bool(request_row(node).state == ReportState.REPORTED)


def test_request__some_here_some_not__report_on_the_same_association_names_both(node: Site) -> None:
    node.receive(1, 1, 2, 3)
    node.step()
    with read(node.engine) as connection:
        path = connection.execute(
            sa.select(instance.c.path).where(instance.c.sop_instance_uid == instance_uid(1, 3))
        ).scalar_one()
    (node.archive.root / path).unlink()
    node.receive(1, 4)  # acknowledged, and not in the index yet
    reports = Reports()
    with working(node), calling(node, COMMITMENT, handlers=[reports.handler]) as assoc:
        wrong_class = reference(1, 2, ULTRASOUND_MULTIFRAME)
        assert ask(assoc, reference(1, 1), wrong_class, reference(1, 3), reference(1, 4), reference(1, 5)) == 0
        ((event_type, report),) = reports.wait()
        wait_until(lambda: is_reported(node), 60, "the report's response is written down")
    assert event_type == 2
    assert report.TransactionUID == TRANSACTION
    assert committed(report) == {instance_uid(1, 1), instance_uid(1, 4)}
    assert failed(report) == {instance_uid(1, 2): 0x0119, instance_uid(1, 3): 0x0110, instance_uid(1, 5): 0x0112}


def test_request__all_here__event_type_says_so_and_c_echo_works_meanwhile(node: Site) -> None:
    node.receive(1, 1)
    reports = Reports()
    verification = "1.2.840.10008.1.1"
    with calling(node, COMMITMENT, verification, handlers=[reports.handler]) as assoc:
        assert ask(assoc, reference(1, 1)) == 0
        assert assoc.send_c_echo().Status == 0  # before anything was judged
        with working(node):
            ((event_type, report),) = reports.wait()
        assert assoc.send_c_echo().Status == 0
    assert (event_type, committed(report), failed(report)) == (1, {instance_uid(1, 1)}, {})


def test_request__caller_leaves__report_on_a_new_association_to_the_peer(tmp_path: Path, migrated_sqlite: Path) -> None:
    reports = Reports()
    with asker(reports) as port:
        peers = {"scanner": {"kind": "dimse", "ae_title": "US1", "host": "127.0.0.1", "port": port}}
        with site(tmp_path, migrated_sqlite, peers=peers) as node:
            node.receive(1, 1)
            with calling(node, COMMITMENT) as assoc:
                assert ask(assoc, reference(1, 1), reference(1, 2)) == 0
            with working(node):
                ((event_type, report),) = reports.wait()
                wait_until(lambda: is_reported(node), 60, "the report's response is written down")
    assert (event_type, committed(report)) == (2, {instance_uid(1, 1)})
    assert failed(report) == {instance_uid(1, 2): 0x0112}
    assert len(reports.taken) == 1


def test_request__peer_away_and_node_restarted__is_reported_when_the_peer_is_back(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    port = free_port()
    peers = {"scanner": {"kind": "dimse", "ae_title": "US1", "host": "127.0.0.1", "port": port}}
    with site(tmp_path, migrated_sqlite, peers=peers) as node:
        node.receive(1, 1)
        with calling(node, COMMITMENT) as assoc:
            assert ask(assoc, reference(1, 1)) == 0
        with working(node):
            wait_until(lambda: request_row(node).attempt >= 2, 60, "the peer was tried twice")
        assert "no association" in request_row(node).error
        reports = Reports()
        with asker(reports, port=port), working(node):
            reports.wait()
            wait_until(lambda: is_reported(node), 60, "the report's response is written down")


def test_request__same_association_refuses_the_report__another_one_carries_it(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    refusing, taking = Reports(status=0x0110), Reports()
    with asker(taking) as port:
        peers = {"scanner": {"kind": "dimse", "ae_title": "US1", "host": "127.0.0.1", "port": port}}
        with site(tmp_path, migrated_sqlite, peers=peers) as node:
            node.receive(1, 1)
            with working(node), calling(node, COMMITMENT, handlers=[refusing.handler]) as assoc:
                assert ask(assoc, reference(1, 1)) == 0
                refusing.wait()
                taking.wait()


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and association requests and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_report__peer_takes_the_connection_and_says_nothing__is_given_up_in_time_and_others_get_theirs(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    reports = Reports()
    with silent() as deaf, asker(reports, "US2") as port:
        peers = {
            "deaf": {
                "kind": "dimse", "ae_title": "US1", "host": "127.0.0.1", "port": deaf, "connect_timeout_s": 0.5,
                "response_timeout_s": 0.5,
            },
            "other": {"kind": "dimse", "ae_title": "US2", "host": "127.0.0.1", "port": port},
        }  # fmt: skip
        with site(tmp_path, migrated_sqlite, peers=peers) as node:
            node.receive(1, 1)
            for ae_title in ("US1", "US2"):
                with calling(node, COMMITMENT, ae_title=ae_title) as assoc:
                    assert ask(assoc, reference(1, 1)) == 0

            def row_of(ae_title: str) -> Any:
                with read(node.engine) as connection:
                    return connection.execute(sa.select(requests).where(requests.c.calling_ae == ae_title)).one()

            with working(node):
                reports.wait()
                wait_until(lambda: row_of("US1").attempt >= 2, 60, "the deaf peer was tried twice")
            assert row_of("US1").state == ReportState.WAITING
            assert "no association" in row_of("US1").error


def test_request__caller_is_no_peer__says_what_to_configure(node: Site) -> None:
    node.receive(1, 1)
    with calling(node, COMMITMENT) as assoc:
        assert ask(assoc, reference(1, 1)) == 0
    with working(node):
        wait_until(lambda: request_row(node).error is not None, 60, "the request says why it waits")
    assert "add it under peers" in request_row(node).error


def test_request__same_transaction_again__is_one_request_and_reported_again(node: Site) -> None:
    node.receive(1, 1)
    reports = Reports()
    with working(node), calling(node, COMMITMENT, handlers=[reports.handler]) as assoc:
        assert ask(assoc, reference(1, 1)) == 0
        reports.wait()
        wait_until(lambda: is_reported(node), 60, "the report's response is written down")
        assert ask(assoc, reference(1, 1)) == 0
        reports.wait(2)
        assert ask(assoc, reference(1, 2)) == 0x0110  # the same transaction for something else


def test_request__other_instance_action_or_no_reference__is_refused(node: Site) -> None:
    with calling(node, COMMITMENT) as assoc:
        status, _ = assoc.send_n_action(commitment_request(TRANSACTION, reference(1, 1)), 1, COMMITMENT, "1.2.3")
        assert status.Status == 0x0112
        assert ask(assoc, reference(1, 1), action=2) == 0x0123
        assert ask(assoc) == 0x0115
    with read(node.engine) as connection:
        assert connection.execute(sa.select(requests)).all() == []


def test_report__killed_while_it_was_sent__is_sent_again_after_the_lease(node: Site) -> None:
    node.receive(1, 1)
    with calling(node, COMMITMENT) as assoc:
        ask(assoc, reference(1, 1))
    node.step()
    reports = Reports()
    with asker(reports) as port:
        peer = Peer(ae_title="US1", host="127.0.0.1", port=port)
        killed = Reporter(node.settings, node.engine, "US1", peer, node.now)
        killed._claim()  # and nothing more
        after = Reporter(node.settings, node.engine, "US1", peer, node.now)
        assert not after.step()
        node.later(node.settings.outbox.lease_s + 1)
        assert after.step()
        reports.wait()


def test_request__completes_where_that_is_configured(tmp_path: Path, migrated_sqlite: Path) -> None:
    with site(tmp_path, migrated_sqlite, node={"commitment_completes": True}) as node:
        node.receive(1, 1, 2)
        node.step()
        with calling(node, COMMITMENT) as assoc:
            ask(assoc, reference(1, 1), reference(1, 2))
        node.step()
        assert node.revisions(1) == [("commitment", 2)]


def test_request__completes_nothing_by_default(node: Site) -> None:
    node.receive(1, 1)
    node.step()
    with calling(node, COMMITMENT) as assoc:
        ask(assoc, reference(1, 1))
    node.step()
    assert node.revisions(1) == []
    node.later(QUIET_S)
    node.step()
    assert node.revisions(1) == [("quiet", 1)]


def test_report__on_a_transaction_that_nobody_asked_for__is_refused(node: Site) -> None:
    event = Dataset()
    event.TransactionUID = "1.2.826.99.404"
    event.ReferencedSOPSequence = [reference(1, 1)]
    with calling(node, COMMITMENT, scp_role=True) as assoc:
        status, _ = assoc.send_n_event_report(event, 1, COMMITMENT, WELL_KNOWN)
        assert status.Status == 0x0115
        status, _ = assoc.send_n_event_report(event, 3, COMMITMENT, WELL_KNOWN)
        assert status.Status == 0x0113


def test_judging__many_at_once__all_are_reported(node: Site) -> None:
    node.receive(1, *range(1, 20))
    reports = Reports()
    with working(node), calling(node, COMMITMENT, handlers=[reports.handler]) as assoc:
        for number in range(1, 20):
            assert ask(assoc, reference(1, number), transaction=f"{TRANSACTION}.{number}") == 0
        taken = reports.wait(19)
    assert {uid for _, report in taken for uid in committed(report)} == {instance_uid(1, n) for n in range(1, 20)}
