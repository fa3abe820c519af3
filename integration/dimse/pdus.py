"""PDUs and command sets as bytes: what a requestor says.

References
----------
DICOM PS3.8 9.3 (PDUs), PS3.7 9.3 and annex E (command sets).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import build_context

from integration.dimse.errors import AssociationRejected
from integration.dimse.peer import Peer

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_UID: Final = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'echocare-node').int}")
IMPLEMENTATION_VERSION: Final = "ECHOCARE_NODE"
MOST_CONTEXTS: Final = 128  # odd ids from 1 to 255
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 4, 5, 6, 7
NO_DATA_SET, WITH_DATA_SET, MEDIUM = 0x0101, 0x0001, 0x0000  # values of CommandDataSetType and of Priority
COMMAND, LAST = 0x01, 0x02  # bits of the message control header
PDV_HEAD: Final = 6  # length, context id and message control header
REJECT_TRANSIENT: Final = 2
REASONS: Final = {  # (source, reason), PS3.8 table 9-21
    (1, 2): "it does not support the application context",
    (1, 3): "it does not know the calling AE title {calling}",
    (1, 7): "it does not go by the called AE title {called}",
    (2, 2): "it does not support the protocol version",
    (3, 1): "it has too much to do at the moment",
    (3, 2): "its local limit is exceeded",
}


@dataclass(frozen=True, slots=True)
class Context:
    """One presentation context: what kind of object, written how."""

    sop_class: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A DIMSE request's command set (PS3.7 table E.1-1)."""

    field: int  # CommandField
    sop_class: str  # AffectedSOPClassUID
    sop_instance: str | None = None  # AffectedSOPInstanceUID

    def encoded(self, message_id: int, *, with_data: bool) -> bytes:
        """The elements in implicit VR little endian, group length first.

        Written by hand, because pydicom warns about UIDs that senders made up and would put them into the log.
        """
        elements = ui_element(0x0002, self.sop_class) + us_element(0x0100, self.field) + us_element(0x0110, message_id)
        if self.sop_instance is not None:
            elements += us_element(0x0700, MEDIUM)
        elements += us_element(0x0800, WITH_DATA_SET if with_data else NO_DATA_SET)
        if self.sop_instance is not None:
            elements += ui_element(0x1000, self.sop_instance)
        return command_set(elements)


def command_set(elements: bytes) -> bytes:
    """A command set of elements of group 0000: the group length before them."""
    return struct.pack("<HHLL", 0, 0, 4, len(elements)) + elements


def numbered(contexts: Sequence[Context]) -> list[tuple[int, Context]]:
    """The contexts with their ids: odd, from 1."""
    return [(2 * index + 1, context) for index, context in enumerate(contexts)]


def associate_rq(peer: Peer, contexts: Sequence[Context], provided: Iterable[str] = ()) -> bytes:
    """A-ASSOCIATE-RQ with the contexts, our largest PDU, who we are, and the SOP classes that we are the SCP of."""
    proposed = []
    for number, context in numbered(contexts):
        item = build_context(context.sop_class, context.transfer_syntax)
        item.context_id = number
        proposed.append(item)
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.calling_ae_title = peer.calling_ae
    primitive.called_ae_title = peer.ae_title
    primitive.presentation_context_definition_list = proposed
    length = MaximumLengthNotification()
    length.maximum_length_received = peer.max_pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = IMPLEMENTATION_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION
    primitive.user_information = [length, implementation, version, *map(_scp_role, provided)]
    request = A_ASSOCIATE_RQ()
    request.from_primitive(primitive)
    return request.encode()


def _scp_role(sop_class: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(sop_class)
    role.scu_role, role.scp_role = False, True
    return role


def rejection(peer: Peer, body: bytes) -> AssociationRejected:
    """The error for an A-ASSOCIATE-RJ."""
    reject = A_ASSOCIATE_RJ()
    reject.decode(body)
    source, code = reject.source or 0, reject.reason_diagnostic or 0
    known = REASONS.get((source, code), f"reason {source}.{code}")
    reason = known.format(calling=peer.calling_ae, called=peer.ae_title)
    when = "for now" if reject.result == REJECT_TRANSIENT else "for good"
    return AssociationRejected(f"{peer.words} rejected the association {when}: {reason}")


def abort_pdu() -> bytes:
    """A-ABORT by the service user."""
    abort = A_ABORT_RQ()
    abort.source = 0x00
    abort.reason_diagnostic = 0x00
    return abort.encode()


def ui_element(element: int, uid: str) -> bytes:
    """A UID of group 0000."""
    value = uid.encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", 0, element, len(value)) + value


def us_element(element: int, number: int) -> bytes:
    """A number of group 0000."""
    return struct.pack("<HHLH", 0, element, 2, number)


def p_data_head(context: int, control: int, length: int) -> bytes:
    """Head of a P-DATA-TF PDU with one fragment of `length` bytes."""
    return struct.pack(">BBLLBB", P_DATA, 0, length + PDV_HEAD, length + 2, context, control)
