"""Answering A-ASSOCIATE-RQ.

References
----------
DICOM PS3.8 9.3.3 (A-ASSOCIATE-AC), 9.3.4 (A-ASSOCIATE-RJ), Annex A (application context), PS3.7 Annex D.3.3 (user
information), PS3.4 B.3 (storage association negotiation).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from node.archive import is_uid
from node.archive.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.listener.options import ListenerOptions
from node.listener.request import (
    APPLICATION_CONTEXT_ITEM,
    ITEM,
    MAX_LENGTH_ITEM,
    ROLE_ITEM,
    TRANSFER_SYNTAX_ITEM,
    USER_INFORMATION_ITEM,
    AssociateRequest,
    Proposal,
    Role,
)
from node.listener.sop_classes import DEFAULT, STORAGE_COMMITMENT, VERIFICATION
from node.listener.wire import PDU_HEADER, PduType

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
VERIFICATION_TRANSFER_SYNTAXES: Final = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
)

SERVICE_TRANSFER_SYNTAXES: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
# An archive that reports on what it was asked to keep; for all else the caller is the user and this node serves.
CALLER_MAY_BE_SCP: Final = frozenset({STORAGE_COMMITMENT})

_CONTEXT_RESULT_ITEM: Final = 0x21
_IMPLEMENTATION_CLASS_ITEM: Final = 0x52
_IMPLEMENTATION_VERSION_ITEM: Final = 0x55
_PROTOCOL_VERSION: Final = struct.pack(">HH", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why an association is refused: the three fields of A-ASSOCIATE-RJ (PS3.8 Table 9-21), and words for the log."""

    result: int  # 1 permanent, 2 transient
    source: int  # 1 service user, 2 service provider (ACSE), 3 service provider (presentation)
    reason: int
    words: str


PROTOCOL_VERSION: Final = Rejection(result=1, source=2, reason=2, words="protocol version not supported")
APPLICATION_CONTEXT_UNKNOWN: Final = Rejection(result=1, source=1, reason=2, words="application context not supported")
CALLING_AE_UNKNOWN: Final = Rejection(result=1, source=1, reason=3, words="caller or its address is not allowed")
CALLED_AE_UNKNOWN: Final = Rejection(result=1, source=1, reason=7, words="called AE title is not this node's")
LIMIT_REACHED: Final = Rejection(result=2, source=3, reason=2, words="too many associations")
CLOSING: Final = Rejection(result=2, source=3, reason=1, words="the listener is stopping")


class ContextResult(IntEnum):
    """What became of a proposed presentation context (PS3.8 Table 9-18)."""

    ACCEPTED = 0
    USER_REJECTION = 1
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An accepted presentation context."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was agreed with a caller."""

    calling_ae: str
    called_ae: str
    contexts: dict[int, Context]
    peer_max_pdu_bytes: int  # 0: no limit
    reply: bytes  # A-ASSOCIATE-AC


def objection(request: AssociateRequest, address: str, options: ListenerOptions) -> Rejection | None:
    """Why this caller is not let in, or None."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_UNKNOWN
    if not request.calling_ae or not options.allows(request.calling_ae, address):
        return CALLING_AE_UNKNOWN
    if options.called_ae_check and request.called_ae != options.ae_title:
        return CALLED_AE_UNKNOWN
    return None


def agree(request: AssociateRequest, options: ListenerOptions) -> Agreement:
    """Choose among what the caller proposes.

    Storage classes are taken in whatever transfer syntax comes first in the caller's list, private ones too: data
    sets are stored as received and never transcoded. Asynchronous operations and extended negotiation are left
    unanswered, which means their defaults.
    """
    contexts: dict[int, Context] = {}
    items = bytearray(_item(APPLICATION_CONTEXT_ITEM, APPLICATION_CONTEXT.encode()))
    for proposal in request.proposals:
        result, transfer_syntax = _choose(proposal, request.roles.get(proposal.abstract_syntax), options)
        if result is ContextResult.ACCEPTED:
            contexts[proposal.context_id] = Context(
                sop_class_uid=proposal.abstract_syntax, transfer_syntax_uid=transfer_syntax
            )
        items += _item(
            _CONTEXT_RESULT_ITEM,
            bytes((proposal.context_id, 0, result, 0)) + _item(TRANSFER_SYNTAX_ITEM, _ascii(transfer_syntax)),
        )
    accepted = {context.sop_class_uid for context in contexts.values()}
    items += _user_information(
        {uid: role for uid, role in request.roles.items() if uid in accepted}, options.max_pdu_bytes
    )
    body = _PROTOCOL_VERSION + request.echoed + items
    return Agreement(
        calling_ae=request.calling_ae,
        called_ae=request.called_ae,
        contexts=contexts,
        peer_max_pdu_bytes=request.max_pdu_bytes,
        reply=PDU_HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body,
    )


def _choose(proposal: Proposal, role: Role | None, options: ListenerOptions) -> tuple[ContextResult, str]:
    """What becomes of a proposal, and the transfer syntax to name in the answer."""
    uid = proposal.abstract_syntax
    storage = DEFAULT if options.storage_sop_classes is None else options.storage_sop_classes
    first = proposal.transfer_syntaxes[0]
    if uid != VERIFICATION and uid not in storage and uid not in options.service_classes:
        return ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, first
    if role is not None and not role.scu and uid not in CALLER_MAY_BE_SCP:
        return ContextResult.USER_REJECTION, first
    for transfer_syntax in proposal.transfer_syntaxes:
        if is_uid(transfer_syntax) and _can_read(transfer_syntax, uid, options):
            return ContextResult.ACCEPTED, transfer_syntax
    return ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, first


def _can_read(transfer_syntax: str, uid: str, options: ListenerOptions) -> bool:
    if uid == VERIFICATION:
        return transfer_syntax in VERIFICATION_TRANSFER_SYNTAXES
    if uid in options.service_classes:
        return transfer_syntax in SERVICE_TRANSFER_SYNTAXES
    return True  # stored as it comes


def _user_information(roles: dict[str, Role], max_pdu_bytes: int) -> bytes:
    items = bytearray(_item(MAX_LENGTH_ITEM, struct.pack(">I", max_pdu_bytes)))
    items += _item(_IMPLEMENTATION_CLASS_ITEM, IMPLEMENTATION_CLASS_UID.encode())
    for uid, role in roles.items():
        scp = role.scp and uid in CALLER_MAY_BE_SCP
        items += _item(ROLE_ITEM, struct.pack(">H", len(uid)) + _ascii(uid) + bytes((role.scu, scp)))
    items += _item(_IMPLEMENTATION_VERSION_ITEM, IMPLEMENTATION_VERSION_NAME.encode())
    return _item(USER_INFORMATION_ITEM, bytes(items))


def _item(kind: int, value: bytes) -> bytes:
    return ITEM.pack(kind, len(value)) + value


def _ascii(uid: str) -> bytes:
    return uid.encode("ascii", "replace")
