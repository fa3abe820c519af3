"""A-ASSOCIATE-RQ as a value, and reading it from a PDU.

pynetdicom can do this too, but takes tens of milliseconds for the 128 presentation contexts that storescu proposes,
and holds up every other association of the process meanwhile; here it is one. The tests hold both against each other.

References
----------
DICOM PS3.8 9.3.2 (A-ASSOCIATE-RQ), PS3.7 Annex D.3.3 (user information).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIXED_BYTES: Final = 74
AE_BYTES: Final = 16
ITEM: Final = struct.Struct(">BxH")

APPLICATION_CONTEXT_ITEM: Final = 0x10
CONTEXT_ITEM: Final = 0x20
ABSTRACT_SYNTAX_ITEM: Final = 0x30
TRANSFER_SYNTAX_ITEM: Final = 0x40
USER_INFORMATION_ITEM: Final = 0x50
MAX_LENGTH_ITEM: Final = 0x51
ROLE_ITEM: Final = 0x54

_VERSION: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")


class NotARequest(Exception):
    """The bytes are no A-ASSOCIATE-RQ; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]  # in the caller's order


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What the caller wants to be for one SOP class."""

    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    """What a caller asks for."""

    protocol_version: int
    called_ae: str
    calling_ae: str
    echoed: bytes  # AE titles and reserved bytes, which the answer repeats as they came
    application_context: str
    proposals: tuple[Proposal, ...]
    roles: dict[str, Role]  # by SOP class
    max_pdu_bytes: int  # the longest P-DATA PDU that the caller takes; 0: no limit


def read_request(pdu: bytes) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ, its six bytes of PDU header included.

    Items of unknown type are passed over, as the standard wants it. A user identity is among them: it is neither
    checked nor answered.

    Raises
    ------
    NotARequest
        It cannot be read, or names no presentation context.
    """
    if len(pdu) < FIXED_BYTES:
        raise NotARequest("it is too short")
    application_context = ""
    proposals: list[Proposal] = []
    roles: dict[str, Role] = {}
    max_pdu_bytes = 0
    for kind, value in _items(pdu[FIXED_BYTES:]):
        if kind == APPLICATION_CONTEXT_ITEM:
            application_context = _uid(value)
        elif kind == CONTEXT_ITEM:
            proposals.append(_proposal(value))
        elif kind == USER_INFORMATION_ITEM:
            roles, max_pdu_bytes = _user_information(value)
    if not proposals:
        raise NotARequest("it proposes no presentation context")
    if len({proposal.context_id for proposal in proposals}) < len(proposals):
        raise NotARequest("it uses a presentation context ID twice")
    return AssociateRequest(
        protocol_version=_VERSION.unpack_from(pdu, 6)[0],
        called_ae=_ae_title(pdu[10:26]),
        calling_ae=_ae_title(pdu[26:42]),
        echoed=pdu[10:FIXED_BYTES],
        application_context=application_context,
        proposals=tuple(proposals),
        roles=roles,
        max_pdu_bytes=max_pdu_bytes,
    )


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        if at + ITEM.size > len(data):
            raise NotARequest("it ends within an item")
        kind, length = ITEM.unpack_from(data, at)
        at += ITEM.size
        if at + length > len(data):
            raise NotARequest("an item is longer than what holds it")
        yield kind, data[at : at + length]
        at += length


def _proposal(value: bytes) -> Proposal:
    if len(value) < ITEM.size:
        raise NotARequest("a presentation context is too short")
    abstract_syntax = ""
    transfer_syntaxes = []
    for kind, uid in _items(value[4:]):
        if kind == ABSTRACT_SYNTAX_ITEM:
            abstract_syntax = _uid(uid)
        elif kind == TRANSFER_SYNTAX_ITEM:
            transfer_syntaxes.append(_uid(uid))
    if value[0] % 2 == 0:
        raise NotARequest("a presentation context ID is even")
    if not abstract_syntax or not transfer_syntaxes:
        raise NotARequest("a presentation context is not complete")
    return Proposal(context_id=value[0], abstract_syntax=abstract_syntax, transfer_syntaxes=tuple(transfer_syntaxes))


def _user_information(value: bytes) -> tuple[dict[str, Role], int]:
    roles: dict[str, Role] = {}
    max_pdu_bytes = 0
    for kind, item in _items(value):
        if kind == MAX_LENGTH_ITEM:
            if len(item) != _LENGTH.size:
                raise NotARequest("its maximum length is no number")
            max_pdu_bytes = _LENGTH.unpack(item)[0]
        elif kind == ROLE_ITEM:
            # Two bytes of length, the UID, one byte for each role.
            if len(item) < 4 or _VERSION.unpack_from(item)[0] != len(item) - 4:
                raise NotARequest("a role selection is garbled")
            roles[_uid(item[2:-2])] = Role(scu=item[-2] == 1, scp=item[-1] == 1)
    return roles, max_pdu_bytes


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\x00 ")


def _ae_title(value: bytes) -> str:
    title = value.decode("ascii", "replace").strip("\x00 ")
    if not title.isprintable() or "\\" in title:
        raise NotARequest("an AE title holds characters that are not allowed")
    return title
