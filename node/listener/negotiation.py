"""Answering A-ASSOCIATE-RQ.

References
----------
DICOM PS3.8 9.3.2 to 9.3.4, Annex A (application context), PS3.7 Annex D (user information), PS3.4 B.3 (storage).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from node.archive.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.archive.filing import is_uid
from node.listener.options import ListenerOptions
from node.listener.sop_classes import DEFAULT, VERIFICATION

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
VERIFICATION_TRANSFER_SYNTAXES: Final = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
)  # fmt: skip
MOST_REQUEST_BYTES: Final = 1024 * 1024
_FIXED_PART_BYTES: Final = 74
_ACCEPTED: Final = 0

# What pynetdicom raises on bytes that are no A-ASSOCIATE-RQ, as fuzzing shows.
_PARSE_FAULTS: Final = (
    AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


class NotARequest(Exception):
    """The bytes are no A-ASSOCIATE-RQ."""


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


def decode_request(pdu: bytes) -> tuple[int, A_ASSOCIATE]:
    """Read an A-ASSOCIATE-RQ, its six bytes of PDU header included.

    Returns
    -------
    tuple[int, A_ASSOCIATE]
        The protocol version field and the request.

    Raises
    ------
    NotARequest
        It cannot be read, or names no presentation context.
    """
    if len(pdu) < _FIXED_PART_BYTES:
        raise NotARequest("it is too short")
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(pdu)
        primitive = request.to_primitive()
        contexts = primitive.presentation_context_definition_list
        whole = all(context.abstract_syntax and context.transfer_syntax for context in contexts)
    except _PARSE_FAULTS as error:
        raise NotARequest(type(error).__name__) from error
    if not contexts or not whole:
        raise NotARequest("it names no complete presentation context")
    if len({context.context_id for context in contexts}) < len(contexts):
        raise NotARequest("it uses a presentation context ID twice")
    return request.protocol_version, primitive


def objection(version: int, request: A_ASSOCIATE, address: str, options: ListenerOptions) -> Rejection | None:
    """Why this caller is not let in, or None."""
    if not version & 1:
        return PROTOCOL_VERSION
    if request.application_context_name != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_UNKNOWN
    if not options.allows(request.calling_ae_title.strip(), address):
        return CALLING_AE_UNKNOWN
    if options.called_ae_check and request.called_ae_title.strip() != options.ae_title:
        return CALLED_AE_UNKNOWN
    return None


def agree(request: A_ASSOCIATE, options: ListenerOptions) -> Agreement:
    """Choose among what the caller proposes.

    Storage classes are taken in whatever transfer syntax comes first in the caller's list, private ones too: data
    sets are stored as received and never transcoded. Asynchronous operations and extended negotiation of storage are
    left unanswered, which means their defaults; a user identity is neither checked nor answered.
    """
    accepts = options.storage_sop_classes if options.storage_sop_classes is not None else DEFAULT
    roles = {
        item.sop_class_uid: (item.scu_role, item.scp_role)
        for item in request.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid is not None
    }
    results: list[PresentationContext] = []
    role_replies: dict[UID | None, SCP_SCU_RoleSelectionNegotiation] = {}
    for proposed in request.presentation_context_definition_list:
        supported = _supported(proposed, accepts)
        context, replies = negotiate_as_acceptor([proposed], supported, roles)
        results += context
        role_replies |= {reply.sop_class_uid: reply for reply in replies}
    return Agreement(
        calling_ae=request.calling_ae_title.strip(),
        called_ae=request.called_ae_title.strip(),
        contexts={
            context.context_id: Context(
                sop_class_uid=str(context.abstract_syntax), transfer_syntax_uid=str(context.transfer_syntax[0])
            )
            for context in results
            if context.result == _ACCEPTED and context.context_id is not None
        },
        peer_max_pdu_bytes=request.maximum_length_received or 0,
        reply=_accept_pdu(request, results, list(role_replies.values()), options.max_pdu_bytes),
    )


def _supported(proposed: PresentationContext, accepts: frozenset[str]) -> list[PresentationContext]:
    sop_class = str(proposed.abstract_syntax)
    if sop_class != VERIFICATION and sop_class not in accepts:
        return []
    supported = PresentationContext()
    supported.abstract_syntax = proposed.abstract_syntax
    for uid in proposed.transfer_syntax:
        if is_uid(uid) and (sop_class != VERIFICATION or uid in VERIFICATION_TRANSFER_SYNTAXES):
            supported.add_transfer_syntax(uid)
    # pynetdicom's words for an acceptor: may the caller be SCU, may it be SCP.
    supported.scu_role, supported.scp_role = True, False
    return [supported]


def _accept_pdu(
    request: A_ASSOCIATE,
    results: list[PresentationContext],
    role_replies: list[SCP_SCU_RoleSelectionNegotiation],
    max_pdu_bytes: int,
) -> bytes:
    reply = A_ASSOCIATE()
    reply.application_context_name = UID(APPLICATION_CONTEXT)
    reply.calling_ae_title = request.calling_ae_title
    reply.called_ae_title = request.called_ae_title
    reply.result = 0
    reply.result_source = 1
    reply.presentation_context_definition_results_list = results
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    reply.user_information = [length, implementation, version, *role_replies]
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(reply)
    encoded: bytes = pdu.encode()
    return encoded
