"""DIMSE command sets: reading requests, writing responses.

References
----------
DICOM PS3.7 9.3 (DIMSE-C protocol), Annex C (statuses), Annex E (command dictionary), PS3.4 B.2.3 (C-STORE statuses).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from node.listener.wire import PDU_HEADER, PDV_HEADER, PduType

NO_DATA_SET: Final = 0x0101
WITH_DATA_SET: Final = 0x0001
RESPONSE: Final = 0x8000
COMMENT_CHARACTERS: Final = 64
UNLIMITED_PDU_BYTES: Final = 2**16

_COMMAND, _LAST = 0x01, 0x02  # bits of the message control header
_HEADER: Final = struct.Struct("<HHI")
_US: Final = struct.Struct("<H")


class CommandField(IntEnum):
    """Requests that the listener tells apart (PS3.7 E.1)."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    C_CANCEL = 0x0FFF


_TYPE_IDS: Final[dict[int, int]] = {CommandField.N_EVENT_REPORT: 0x1002, CommandField.N_ACTION: 0x1008}


class Status(IntEnum):
    """Statuses that the listener answers."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    INVALID_INSTANCE = 0x0117
    MISSING_ATTRIBUTE = 0x0120
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNIZED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class MalformedCommand(Exception):
    """The bytes are no command set, or it lacks what every request has; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request or a response; a UID that was not given is empty."""

    field: int
    message_id: int  # of a response: the request's that it answers
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    type_id: int | None = None  # Event Type ID or Action Type ID
    status: int | None = None  # of a response


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, and words for the sender's log when it is no success."""

    status: int
    comment: str = ""
    error_id: int | None = None  # Error ID (0000,0903) of the service
    sop_instance_uid: str = ""  # where the request left it to us to choose one


def parse_command(encoded: bytes) -> Command:
    """Read a command set, which is always implicit VR little endian.

    Raises
    ------
    MalformedCommand
        It cannot be read, or has no Command Field or no Message ID.
    """
    values: dict[int, bytes] = {}
    at = 0
    while at < len(encoded):
        if at + _HEADER.size > len(encoded):
            raise MalformedCommand("a command set ends within an element")
        group, element, length = _HEADER.unpack_from(encoded, at)
        at += _HEADER.size
        if group != 0x0000 or length > len(encoded) - at:
            raise MalformedCommand("a command set holds an element that cannot be one")
        values[element] = encoded[at : at + length]
        at += length
    field = _number(values, 0x0100)
    if field is None:
        raise MalformedCommand("a command set has no Command Field")
    message_id = _number(values, 0x0120 if field & RESPONSE else 0x0110)
    if message_id is None and field != CommandField.C_CANCEL and not field & RESPONSE:
        raise MalformedCommand("a request has no Message ID")
    return Command(
        field=field,
        message_id=message_id or 0,
        has_data_set=_number(values, 0x0800) not in (None, NO_DATA_SET),
        sop_class_uid=_uid(values, 0x0002) or _uid(values, 0x0003),
        sop_instance_uid=_uid(values, 0x1000) or _uid(values, 0x1001),
        type_id=_number(values, _TYPE_IDS.get(field, 0)),
        status=_number(values, 0x0900),
    )


def encode_response(request: Command, answer: Answer) -> bytes:
    """The command set of the response to a request."""
    elements = []
    if request.sop_class_uid:
        elements.append(_uid_element(0x0002, request.sop_class_uid))
    elements += [
        _number_element(0x0100, request.field | RESPONSE),
        _number_element(0x0120, request.message_id),
        _number_element(0x0800, NO_DATA_SET),
        _number_element(0x0900, answer.status),
    ]
    if answer.comment:
        comment = answer.comment[:COMMENT_CHARACTERS].encode("ascii", "replace")
        elements.append(_element(0x0902, comment + b" " * (len(comment) % 2)))
    if answer.error_id is not None:
        elements.append(_number_element(0x0903, answer.error_id))
    instance = request.sop_instance_uid or answer.sop_instance_uid
    if instance:
        elements.append(_uid_element(0x1000, instance))
    if request.type_id is not None:
        elements.append(_number_element(_TYPE_IDS[request.field], request.type_id))
    return _with_length(elements)


def encode_event_report(request: Command) -> bytes:
    """The command set of an N-EVENT-REPORT that this side sends, with event information."""
    return _with_length(
        [
            _uid_element(0x0002, request.sop_class_uid),
            _number_element(0x0100, CommandField.N_EVENT_REPORT),
            _number_element(0x0110, request.message_id),
            _number_element(0x0800, WITH_DATA_SET),
            _uid_element(0x1000, request.sop_instance_uid),
            _number_element(0x1002, request.type_id or 0),
        ]
    )


def command_pdus(context_id: int, command: bytes, peer_max_pdu_bytes: int) -> bytes:
    """P-DATA-TF PDUs that carry a command set, none longer than the peer takes (0: no limit)."""
    return _pdus(context_id, command, peer_max_pdu_bytes, _COMMAND)


def data_set_pdus(context_id: int, data_set: bytes, peer_max_pdu_bytes: int) -> bytes:
    """P-DATA-TF PDUs that carry a small data set."""
    return _pdus(context_id, data_set, peer_max_pdu_bytes, 0)


def _pdus(context_id: int, message: bytes, peer_max_pdu_bytes: int, kind: int) -> bytes:
    room = max((peer_max_pdu_bytes or UNLIMITED_PDU_BYTES) - PDV_HEADER.size, 1)
    pdus = bytearray()
    for at in range(0, len(message), room):
        piece = message[at : at + room]
        control = kind | (_LAST if at + room >= len(message) else 0)
        pdus += PDU_HEADER.pack(PduType.DATA, len(piece) + PDV_HEADER.size)
        pdus += PDV_HEADER.pack(len(piece) + 2, context_id, control)
        pdus += piece
    return bytes(pdus)


def _with_length(elements: list[bytes]) -> bytes:
    body = b"".join(elements)
    return _HEADER.pack(0, 0x0000, 4) + struct.pack("<I", len(body)) + body


def _number(values: dict[int, bytes], element: int) -> int | None:
    value = values.get(element)
    return int.from_bytes(value, "little") if value is not None and len(value) == _US.size else None


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").decode("ascii", "replace").strip("\x00 ")


def _element(element: int, value: bytes) -> bytes:
    return _HEADER.pack(0, element, len(value)) + value


def _number_element(element: int, value: int) -> bytes:
    return _element(element, _US.pack(value))


def _uid_element(element: int, uid: str) -> bytes:
    value = uid.encode("ascii", "replace")
    return _element(element, value + b"\x00" * (len(value) % 2))
