"""A caller that speaks PS3.8 byte by byte, so that it can also speak it wrongly."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    ServiceParameter,
)
from pynetdicom.presentation import build_context

from node.archive.beginning import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.node.archive.samples import US_IMAGE

VERIFICATION = "1.2.840.10008.1.1"
TIMEOUT_S = 20.0
ABORT, RELEASE_RQ, RELEASE_RP, DATA, ACCEPT, REJECT = 7, 5, 6, 4, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pdu:
    kind: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    comment: str
    field: int
    message_id: int


DEFAULT_CONTEXTS: Sequence[tuple[str, Sequence[str]]] = (
    (VERIFICATION, [IMPLICIT_LITTLE]),
    (US_IMAGE, [EXPLICIT_LITTLE]),
)


def request_bytes(
    contexts: Sequence[tuple[str, Sequence[str]]] = DEFAULT_CONTEXTS,
    *,
    called: str = "ECHOCARE",
    calling: str = "US1",
    application_context: str = "1.2.840.10008.3.1.1.1",
    version: int = 1,
    max_pdu: int = 16384,
    extra: Sequence[ServiceParameter] = (),
) -> bytes:
    """A-ASSOCIATE-RQ; the contexts get the ids 1, 3, 5, …"""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = application_context
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    proposed = []
    for number, (abstract_syntax, transfer_syntaxes) in enumerate(contexts):
        context = build_context(abstract_syntax, list(transfer_syntaxes))
        context.context_id = 2 * number + 1
        proposed.append(context)
    primitive.presentation_context_definition_list = proposed
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    primitive.user_information = [length, implementation, *extra]
    pdu = A_ASSOCIATE_RQ(primitive)
    pdu.protocol_version = version
    return pdu.encode()


def role(sop_class: str, *, scu: bool, scp: bool) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid = sop_class
    item.scu_role, item.scp_role = scu, scp
    return item


def command(field: int, **values: object) -> bytes:
    """A command set. Values: message_id, data_set (bool), sop_class, instance."""
    elements = [
        (0x0002, str(values.get("sop_class", "")).encode()),
        (0x0100, struct.pack("<H", field)),
        (0x0110, struct.pack("<H", int(str(values.get("message_id", 1))))),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 0x0001 if values.get("data_set") else 0x0101)),
        (0x1000, str(values.get("instance", "")).encode()),
    ]
    body = b""
    for element, value in elements:
        if value:
            value += b"\0" * (len(value) % 2)
            body += struct.pack("<HHI", 0, element, len(value)) + value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def store_command(instance: str = "1.2.3.4", sop_class: str = US_IMAGE, message_id: int = 1) -> bytes:
    return command(0x0001, sop_class=sop_class, instance=instance, data_set=True, message_id=message_id)


def echo_command(message_id: int = 1) -> bytes:
    return command(0x0030, sop_class=VERIFICATION, message_id=message_id)


def pdv(context_id: int, data: bytes, *, is_command: bool, is_last: bool) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, is_command | is_last << 1) + data


def data_pdu(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", DATA, len(body)) + body


def message(context_id: int, command_set: bytes, data_set: bytes | None = None, *, most: int = 16000) -> bytes:
    """Command set and data set in PDUs with one fragment each."""
    pdus = [data_pdu(pdv(context_id, command_set, is_command=True, is_last=True))]
    if data_set is not None:
        starts = range(0, max(len(data_set), 1), most)
        pdus += [
            data_pdu(pdv(context_id, data_set[at : at + most], is_command=False, is_last=at == starts[-1]))
            for at in starts
        ]
    return b"".join(pdus)


class Caller:
    """A connection to the listener."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(TIMEOUT_S)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def receive(self) -> Pdu | None:
        """The next PDU, or None when the listener closed."""
        header = self._exactly(6)
        if header is None:
            return None
        kind, length = struct.unpack(">BxI", header)
        return Pdu(kind=kind, body=self._exactly(length) or b"")

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                piece = self.connection.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def associate(self, request: bytes | None = None) -> A_ASSOCIATE:
        self.send(request_bytes() if request is None else request)
        answer = self.receive()
        assert answer is not None
        assert answer.kind == ACCEPT, answer
        pdu = A_ASSOCIATE_AC()
        pdu.decode(struct.pack(">BxI", answer.kind, len(answer.body)) + answer.body)
        return pdu.to_primitive()

    def response(self) -> Response:
        """The next response, whose fragments may come in several PDUs."""
        command_set = b""
        last = False
        while not last:
            pdu = self.receive()
            assert pdu is not None, "the listener closed"
            assert pdu.kind == DATA, pdu
            length, _, control = struct.unpack_from(">IBB", pdu.body)
            command_set += pdu.body[6 : 4 + length]
            last = bool(control & 2)
        ds = decode(BytesIO(command_set), True, True)
        return Response(
            status=ds.Status,
            comment=ds.get("ErrorComment", ""),
            field=ds.CommandField,
            message_id=ds.MessageIDBeingRespondedTo,
        )

    def release(self) -> None:
        self.send(struct.pack(">BxI", RELEASE_RQ, 4) + bytes(4))
        assert self.receive() == Pdu(kind=RELEASE_RP, body=bytes(4))


@contextmanager
def calling(port: int) -> Iterator[Caller]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        yield Caller(connection)


@contextmanager
def associated(port: int, request: bytes | None = None) -> Iterator[Caller]:
    with calling(port) as caller:
        caller.associate(request)
        yield caller
