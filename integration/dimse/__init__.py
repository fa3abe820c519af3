"""DICOM messages as a service user: C-STORE and C-ECHO towards a peer."""

from integration.dimse.errors import (
    AssociationAborted,
    AssociationRejected,
    ContextRefused,
    DimseError,
    PeerTimeout,
    PeerUnreachable,
    ProtocolError,
    StoreRefused,
    Unsendable,
)
from integration.dimse.part10 import Sendable, read_sendable
from integration.dimse.pdus import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from integration.dimse.peer import Peer, TlsFiles
from integration.dimse.store import Outcome, echo, store

__all__ = [
    "IMPLEMENTATION_UID",
    "IMPLEMENTATION_VERSION",
    "AssociationAborted",
    "AssociationRejected",
    "ContextRefused",
    "DimseError",
    "Outcome",
    "Peer",
    "PeerTimeout",
    "PeerUnreachable",
    "ProtocolError",
    "Sendable",
    "StoreRefused",
    "TlsFiles",
    "Unsendable",
    "echo",
    "read_sendable",
    "store",
]
