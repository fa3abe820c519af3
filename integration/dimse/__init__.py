"""DICOM messages: C-STORE, C-ECHO and storage commitment towards a peer, and the data sets of N-services."""

from integration.dimse.availability import INSTANCE_AVAILABILITY, Availability, read_availability
from integration.dimse.commitment import (
    STORAGE_COMMITMENT,
    CommitmentReport,
    CommitmentRequest,
    Reference,
    encoded_report,
    read_commitment_report,
    read_commitment_request,
    reason_words,
    report_commitment,
    request_commitment,
)
from integration.dimse.errors import (
    AssociationAborted,
    AssociationRejected,
    ContextRefused,
    DimseError,
    InvalidRequest,
    OperationRefused,
    PeerTimeout,
    PeerUnreachable,
    ProtocolError,
    StoreRefused,
    Unsendable,
)
from integration.dimse.part10 import Sendable, read_sendable
from integration.dimse.pdus import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from integration.dimse.peer import Peer, TlsFiles
from integration.dimse.procedure import (
    PERFORMED_STEP,
    NewStep,
    StepChange,
    StepStatus,
    read_new_step,
    read_step_change,
)
from integration.dimse.store import AsStored, Outcome, echo, store

__all__ = [
    "IMPLEMENTATION_UID",
    "IMPLEMENTATION_VERSION",
    "INSTANCE_AVAILABILITY",
    "PERFORMED_STEP",
    "STORAGE_COMMITMENT",
    "AsStored",
    "AssociationAborted",
    "AssociationRejected",
    "Availability",
    "CommitmentReport",
    "CommitmentRequest",
    "ContextRefused",
    "DimseError",
    "InvalidRequest",
    "NewStep",
    "OperationRefused",
    "Outcome",
    "Peer",
    "PeerTimeout",
    "PeerUnreachable",
    "ProtocolError",
    "Reference",
    "Sendable",
    "StepChange",
    "StepStatus",
    "StoreRefused",
    "TlsFiles",
    "Unsendable",
    "echo",
    "encoded_report",
    "read_availability",
    "read_commitment_report",
    "read_commitment_request",
    "read_new_step",
    "read_sendable",
    "read_step_change",
    "reason_words",
    "report_commitment",
    "request_commitment",
    "store",
]
