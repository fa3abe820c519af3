"""Peers that take the connection and then say nothing, garbage, or too much: given up in time, with a clear error."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from integration.dimse import AssociationAborted, DimseError, Peer, PeerTimeout, ProtocolError, store
from tests.integration.dimse.conftest import write_object

DATA, ABORT = 4, 7
Script = Callable[[socket.socket], None]


@contextmanager
def scripted(script: Script) -> Iterator[Peer]:
    """A peer that does with each connection what a test says."""
    over = threading.Event()
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_ones.append(connection)
            with suppress(OSError):
                script(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        waits = {"connect_timeout_s": 1.0, "response_timeout_s": 1.0}
        try:
            yield Peer(ae_title="PEER", host="127.0.0.1", port=listening.getsockname()[1], **waits)
        finally:
            over.set()
            for each in open_ones:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(30)


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def received(connection: socket.socket) -> bytes:
    head = exactly(connection, 6)
    return head + exactly(connection, int.from_bytes(head[2:], "big"))


def accept(connection: socket.socket) -> None:
    """Accept the association with all its contexts."""
    request = A_ASSOCIATE_RQ()
    request.decode(received(connection))
    primitive = request.to_primitive()
    for context in primitive.presentation_context_definition_list:
        context.result = 0
    primitive.presentation_context_definition_results_list = primitive.presentation_context_definition_list
    primitive.result, primitive.result_source = 0, 1
    answer = A_ASSOCIATE_AC()
    answer.from_primitive(primitive)
    connection.sendall(answer.encode())


def nothing(connection: socket.socket) -> None:
    """Not a word."""


def answer_with(*pieces: bytes, close: bool = False) -> Script:
    def script(connection: socket.socket) -> None:
        accept(connection)
        received(connection)
        for piece in pieces:
            connection.sendall(piece)
        if close:
            connection.shutdown(socket.SHUT_RDWR)

    return script


def drip(connection: socket.socket) -> None:
    """A response of which one byte comes after the other."""
    accept(connection)
    received(connection)
    connection.sendall(pdu(DATA, b"", 100_000))
    while True:
        connection.sendall(b"\0")
        time.sleep(0.05)


def pour(connection: socket.socket) -> None:
    """A response of which there is always more."""
    accept(connection)
    received(connection)
    while True:
        connection.sendall(pdu(DATA, struct.pack(">IBB", 2, 1, 1)))


def connected_only(connection: socket.socket) -> None:
    received(connection)
    connection.sendall(pdu(2, b"\0" * 10, 500))
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (nothing, PeerTimeout),
        (connected_only, AssociationAborted),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ProtocolError),
        (lambda connection: connection.sendall(pdu(2, b"\xff" * 200)), ProtocolError),
        (answer_with(), PeerTimeout),
        (answer_with(close=True), AssociationAborted),
        (answer_with(pdu(ABORT, bytes(4))), AssociationAborted),
        (answer_with(pdu(DATA, b"", 3 * 10**9)), ProtocolError),
        (answer_with(pdu(DATA, struct.pack(">IBB", 40, 1, 3) + b"\xff" * 38)), ProtocolError),
        (answer_with(pdu(99, b"")), ProtocolError),
        (drip, PeerTimeout),
        (pour, PeerTimeout),
    ],
    ids=[
        "silent", "acceptance cut off", "no DICOM", "acceptance of garbage", "silent once associated", "hangs up",
        "aborts", "PDU of 3 GB", "response of garbage", "unknown PDU", "byte by byte", "without end",
    ],
)  # fmt: skip
def test_store__peer_misbehaves__is_given_up_in_time_with_a_clear_error_and_no_patient_in_it(
    script: Script, kind: type[DimseError], tmp_path: Path
) -> None:
    began = time.monotonic()
    with scripted(script) as peer:
        (outcome,) = store([write_object(tmp_path / "one.dcm")], peer)
        assert time.monotonic() - began < 60
        assert type(outcome.error) is kind, outcome.error
        assert str(peer.port) in str(outcome.error)
    assert "PHANTOM" not in str(outcome.error)
