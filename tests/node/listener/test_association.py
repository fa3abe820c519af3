"""The state machine towards a caller that speaks byte by byte."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.listener import Caller as Allowed
from node.listener.association import MOST_REQUEST_BYTES
from tests.node.archive.samples import US_IMAGE, data_set_bytes, encoded, still
from tests.node.listener.caller import (
    ABORT,
    REJECT,
    RELEASE_RP,
    Pdu,
    associated,
    calling,
    command,
    data_pdu,
    echo_command,
    message,
    pdv,
    request_bytes,
    store_command,
)
from tests.node.listener.running import Running, listening

BY_USER = Pdu(kind=ABORT, body=bytes((0, 0, 0, 0)))


def by_provider(reason: int) -> Pdu:
    return Pdu(kind=ABORT, body=bytes((0, 0, 2, reason)))


def rejected(result: int, source: int, reason: int) -> Pdu:
    return Pdu(kind=REJECT, body=bytes((0, result, source, reason)))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with listening(tmp_path_factory.mktemp("node")) as running:
        yield running


def test_echo__verification__succeeds_and_release_is_answered(node: Running) -> None:
    with associated(node.port) as caller:
        for message_id in (1, 7, 65535):
            caller.send(message(1, echo_command(message_id)))
            response = caller.response()
            assert (response.status, response.field, response.message_id) == (0, 0x8030, message_id)
        caller.release()


def test_echo__on_a_storage_context__sop_class_not_supported(node: Running) -> None:
    with associated(node.port) as caller:
        caller.send(message(3, echo_command()))
        assert caller.response().status == 0x0122


@pytest.mark.parametrize("field", [0x0020, 0x0021, 0x0010, 0x0100, 0x0130, 0x0140, 0x0150, 0x7777])
@pytest.mark.parametrize("data_set", [None, b"identifier" * 5000])
def test_operation__not_served__unrecognized_and_the_association_goes_on(
    node: Running, field: int, data_set: bytes | None
) -> None:
    with associated(node.port) as caller:
        caller.send(message(3, command(field, message_id=5, data_set=data_set is not None), data_set))
        response = caller.response()
        assert (response.status, response.field, response.message_id) == (0x0211, field | 0x8000, 5)
        caller.send(message(1, echo_command()))
        assert caller.response().status == 0


def test_cancel__nothing_under_way__is_passed_over(node: Running) -> None:
    with associated(node.port) as caller:
        caller.send(message(3, command(0x0FFF)) + message(1, echo_command(9)))
        assert caller.response().message_id == 9


@pytest.mark.parametrize("body", [b"\1", b"\x02\0\0\0\4\0\0\0abcd", struct.pack("<HHI", 0, 0x100, 99)])
def test_command__malformed__aborted_by_the_user(node: Running, body: bytes) -> None:
    with associated(node.port) as caller:
        caller.send(message(1, body))
        assert caller.receive() == BY_USER
        assert caller.receive() is None


def test_command__response_to_nothing__aborted(node: Running) -> None:
    with associated(node.port) as caller:
        caller.send(message(1, command(0x8030)))
        assert caller.receive() == BY_USER


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">BxI", 0x47, 4) + b"abcd", 1),
        (struct.pack(">BxI", 1, 4) + b"abcd", 2),
        (struct.pack(">BxI", 6, 4) + bytes(4), 2),
        (struct.pack(">BxI", 4, 131073), 6),
        (struct.pack(">BxI", 4, 0), 6),
        (data_pdu(pdv(99, b"x", is_command=True, is_last=True)), 6),
        (data_pdu(pdv(1, b"x", is_command=False, is_last=True)), 6),
    ],
)
def test_association__protocol_broken__aborted_by_the_provider(node: Running, data: bytes, reason: int) -> None:
    with associated(node.port) as caller:
        caller.send(data)
        assert caller.receive() == by_provider(reason)
        caller.connection.shutdown(socket.SHUT_WR)
        assert caller.receive() is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: echocare\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        struct.pack(">BxI", 4, 100) + bytes(100),
        struct.pack(">BxI", 1, MOST_REQUEST_BYTES + 1) + bytes(100),
        struct.pack(">BxI", 1, 0xFFFFFFFF) + bytes(100),
        struct.pack(">BxI", 1, 10) + bytes(10),
        struct.pack(">BxI", 1, 500) + bytes(500),
        request_bytes()[:-1] + b"\xff" * 1,
    ],
)
def test_first_pdu__no_association_request__aborted_by_the_user_or_read(node: Running, data: bytes) -> None:
    with calling(node.port) as caller:
        caller.send(data)
        answer = caller.receive()
        assert answer is not None
        assert answer == BY_USER or answer.kind == 2


def test_first_pdu__abort__closed_without_a_word(node: Running) -> None:
    with calling(node.port) as caller:
        caller.send(struct.pack(">BxI", ABORT, 4) + bytes(4))
        assert caller.receive() is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=400), established=st.booleans())
def test_listener__garbage__never_crashes_or_hangs(node: Running, noise: bytes, established: bool) -> None:
    with calling(node.port) as caller:
        if established:
            caller.associate()
        caller.send(noise)
        caller.connection.shutdown(socket.SHUT_WR)
        while caller.receive() is not None:
            pass
    with associated(node.port) as caller:
        caller.send(message(1, echo_command()))
        assert caller.response().status == 0


@pytest.mark.parametrize(
    ("request_pdu", "expected"),
    [
        (request_bytes(called="OTHER"), rejected(1, 1, 7)),
        (request_bytes(called="echocare"), rejected(1, 1, 7)),
        (request_bytes(version=2), rejected(1, 2, 2)),
        (request_bytes(application_context="1.2.3"), rejected(1, 1, 2)),
        (request_bytes()[:26] + b" " * 16 + request_bytes()[42:], rejected(1, 1, 3)),
    ],
)
def test_request__not_for_us__rejected_with_the_reason(node: Running, request_pdu: bytes, expected: Pdu) -> None:
    with calling(node.port) as caller:
        caller.send(request_pdu)
        assert caller.receive() == expected


def test_request__other_called_ae_and_no_check__accepted_and_kept_with_the_file(tmp_path: Path) -> None:
    with listening(tmp_path, called_ae_check=False) as node, associated(node.port, request_bytes(called="OTHER")) as c:
        c.send(message(3, store_command(), encoded(still())))
        assert c.response().status == 0
        (path,) = node.received()
        assert b"OTHER" in path.read_bytes()[:600]


@pytest.mark.parametrize(
    ("allow", "title", "is_in"),
    [
        ((Allowed(ae="US1", net=ip_network("127.0.0.0/8")),), "US1", True),
        ((Allowed(ae="US1", net=ip_network("127.0.0.0/8")),), "US2", False),
        ((Allowed(ae="US1", net=ip_network("10.0.0.0/8")),), "US1", False),
        ((Allowed(ae="*", net=ip_network("10.0.0.0/8")), Allowed(ae="*", net=ip_network("127.0.0.1/32"))), "X", True),
        ((Allowed(ae="*", net=ip_network("::/0")),), "US1", False),
        ((), "US1", False),
    ],
)
def test_allow_list__caller_and_address__both_count(
    tmp_path: Path, allow: tuple[Allowed, ...], title: str, is_in: bool
) -> None:
    with listening(tmp_path, allow=allow) as node, calling(node.port) as caller:
        caller.send(request_bytes(calling=title))
        answer = caller.receive()
        assert answer is not None
        assert (answer.kind == 2) if is_in else (answer == rejected(1, 1, 3))


def test_limit__reached__rejected_as_transient_and_open_again_after_a_release(tmp_path: Path) -> None:
    with listening(tmp_path, max_associations=2) as node, associated(node.port) as first, associated(node.port):
        with calling(node.port) as third:
            third.send(request_bytes())
            assert third.receive() == rejected(2, 3, 2)
        first.release()
        first.connection.close()
        accepted = False
        for _ in range(200):
            with calling(node.port) as fourth:
                fourth.send(request_bytes())
                answer = fourth.receive()
                accepted = answer is not None and answer.kind == 2
            if accepted:
                break
        assert accepted


def test_artim__silence_before_the_request__closed(tmp_path: Path) -> None:
    with listening(tmp_path, artim_timeout_s=0.3) as node, calling(node.port) as caller:
        caller.send(request_bytes()[:50])
        assert caller.receive() is None


def test_idle__silence_within_the_association__aborted(tmp_path: Path) -> None:
    with listening(tmp_path, idle_timeout_s=0.3) as node, associated(node.port) as caller:
        caller.send(message(1, echo_command()))
        assert caller.response().status == 0
        assert caller.receive() == by_provider(0)


def test_idle__silence_within_a_data_set__nothing_is_kept(tmp_path: Path) -> None:
    with listening(tmp_path, idle_timeout_s=0.3) as node, associated(node.port) as caller:
        caller.send(message(3, store_command(), encoded(still(side=200)))[:-1000])
        assert caller.receive() == by_provider(0)
        caller.connection.close()
        assert node.received() == []


@pytest.mark.parametrize(
    "ending", [b"", struct.pack(">BxI", 5, 4) + bytes(4), struct.pack(">BxI", ABORT, 4) + bytes(4)]
)
def test_data_set__association_ends_midway__nothing_is_kept_or_acknowledged(tmp_path: Path, ending: bytes) -> None:
    whole = message(3, store_command(), encoded(still(side=400)), most=4000)
    at = whole.rindex(struct.pack(">BxI", 4, 4006))  # up to the last whole PDU
    with listening(tmp_path) as node:
        with associated(node.port) as caller:
            caller.send(whole[:at] + ending)
            caller.connection.shutdown(socket.SHUT_WR)
            answer = caller.receive()
            assert answer is None or answer.kind == RELEASE_RP
            while caller.receive() is not None:
                pass
        assert node.received() == []
        assert node.parts() == []


def test_response__peer_takes_small_pdus__is_cut_to_fit(node: Running) -> None:
    with associated(node.port, request_bytes(max_pdu=60)) as caller:
        caller.send(
            message(3, store_command(instance="1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18"), encoded(still()))
        )
        assert caller.response().status == 0xA900


def test_stop__association_under_way__may_finish_and_new_ones_are_refused(tmp_path: Path) -> None:
    body = encoded(still(side=300))
    with listening(tmp_path) as node, associated(node.port) as caller:
        whole = message(3, store_command(), body)
        caller.send(whole[:5000])
        node.stop.set()
        refused = threading.Event()
        for _ in range(400):
            try:
                with calling(node.port):
                    refused.wait(0.01)
            except OSError:
                break
        caller.send(whole[5000:])
        assert caller.response().status == 0
        caller.release()
        caller.connection.close()
        node.thread.join(20)
        assert not node.thread.is_alive()
        (path,) = node.received()
        assert data_set_bytes(path) == body


def test_stop__association_hangs__is_aborted_after_the_drain(tmp_path: Path) -> None:
    with listening(tmp_path, drain_s=0.2) as node, associated(node.port) as caller:
        node.stop.set()
        assert caller.receive() == by_provider(0)
        caller.connection.close()
        node.thread.join(20)
        assert not node.thread.is_alive()


def test_logs__whole_association__hold_no_identifier(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ds = still("1.2.777.888", study="1.2.777", PatientName="MARKED^NAME")
    with listening(tmp_path) as node, associated(node.port) as caller:
        caller.send(message(3, store_command("1.2.777.888"), encoded(ds)))
        assert caller.response().status == 0
        caller.send(message(3, store_command("1.2.777.999"), encoded(ds)))
        assert caller.response().status == 0xA900
        caller.release()
    text = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "was not stored" in text
    assert "1.2.777" not in text
    assert "MARKED" not in text
    assert US_IMAGE not in text
