"""Storage commitment: an archive says that it has taken over the safekeeping of instances.

On pynetdicom: a few associations that wait for an archive gain nothing from the ways round its threads that sending
needs.

References
----------
DICOM PS3.4 Annex J (Storage Commitment Push Model), PS3.3 C.14 (failure reasons), PS3.7 D.3.3.4 (role selection).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.dsutils import encode
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_context, build_role

from integration.dimse.errors import (
    AssociationRejected,
    ContextRefused,
    InvalidRequest,
    OperationRefused,
    PeerTimeout,
    PeerUnreachable,
)
from integration.dimse.normalized import (
    INVALID_ARGUMENT,
    TRANSFER_SYNTAXES,
    decoded,
    items,
    reading,
    uid,
)
from integration.dimse.peer import Peer, tls_context

STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"  # Storage Commitment Push Model SOP Class
WELL_KNOWN_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_ACTION: Final = 1  # Action Type ID
ALL_COMMITTED, SOME_FAILED = 1, 2  # Event Type IDs
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_INSTANCE_CONFLICT: Final = 0x0119
PROCESSING_FAILURE: Final = 0x0110
REASONS: Final = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class/instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One instance."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentRequest:
    """What is to be kept."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentReport:
    """What is kept, and what is not."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]  # with the Failure Reason (0008,1197)

    @property
    def event_type(self) -> int:
        """Event Type ID (PS3.4 J.3.3)."""
        return SOME_FAILED if self.failed else ALL_COMMITTED


def reason_words(reason: int) -> str:
    """A failure reason for people."""
    return f"0x{reason:04X} {REASONS.get(reason, 'failure')}"


def read_commitment_request(encoded: bytes, transfer_syntax: str) -> CommitmentRequest:
    """Read the action information of an N-ACTION.

    Raises
    ------
    InvalidRequest
        It cannot be read, or names no transaction or no instance.
    """
    with reading("the action information"):
        ds = decoded(encoded, transfer_syntax)
        transaction_uid = uid(ds, "TransactionUID")
        references = tuple(dict.fromkeys(_reference(item) for item in items(ds, "ReferencedSOPSequence")))
        if not references:
            raise InvalidRequest("ReferencedSOPSequence names no instance", status=INVALID_ARGUMENT)
        return CommitmentRequest(transaction_uid=transaction_uid, references=references)


def read_commitment_report(encoded: bytes, transfer_syntax: str) -> CommitmentReport:
    """Read the event information of an N-EVENT-REPORT.

    Raises
    ------
    InvalidRequest
        It cannot be read, or names no transaction.
    """
    with reading("the event information"):
        return _report(decoded(encoded, transfer_syntax))


def encoded_report(report: CommitmentReport, transfer_syntax: str) -> bytes:
    """The event information of an N-EVENT-REPORT as bytes."""
    encoded = encode(_report_data_set(report), transfer_syntax != TRANSFER_SYNTAXES[0], True)
    if encoded is None:
        raise ValueError("a report of UIDs cannot be encoded")
    return bytes(encoded)


def request_commitment(peer: Peer, request: CommitmentRequest, linger_s: float) -> CommitmentReport | None:
    """Ask a peer to take over instances (N-ACTION), and wait a little for its report on the same association.

    Parameters
    ----------
    peer
        The archive.
    request
        What it is to keep.
    linger_s
        Seconds to wait for the report; later it comes on an association of the archive's.

    Returns
    -------
    CommitmentReport or None
        None where none came in that time.

    Raises
    ------
    DimseError
        The archive does not take the request.
    """
    came = threading.Event()
    reports: list[CommitmentReport] = []

    def take(event: Any) -> tuple[int, None]:  # noqa: ANN401 - pynetdicom is not typed
        try:
            with reading("the event information"):
                report = _report(event.event_information)
        except InvalidRequest as error:
            return error.status, None
        if report.transaction_uid == request.transaction_uid:
            reports.append(report)
        return 0x0000, None

    def sent(event: Any) -> None:  # noqa: ANN401 - pynetdicom is not typed
        # Not before the response is out: pynetdicom would release the association while the report is being taken.
        if reports and isinstance(event.pdu, P_DATA_TF):
            came.set()

    handlers = [(evt.EVT_N_EVENT_REPORT, take), (evt.EVT_PDU_SENT, sent)]
    with _association(peer, as_scp=False, handlers=handlers) as assoc:
        status, _ = assoc.send_n_action(
            _request_data_set(request), REQUEST_ACTION, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
        )
        _judge(peer, status, "N-ACTION")
        came.wait(linger_s)
    return reports[0] if reports else None


def report_commitment(peer: Peer, report: CommitmentReport) -> None:
    """Report to the peer that asked (N-EVENT-REPORT), on a new association, on which we are the SCP.

    Raises
    ------
    DimseError
        The peer does not take the report.
    """
    with _association(peer, as_scp=True, handlers=[]) as assoc:
        status, _ = assoc.send_n_event_report(
            _report_data_set(report), report.event_type, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
        )
        _judge(peer, status, "N-EVENT-REPORT")


@contextmanager
def _association(peer: Peer, *, as_scp: bool, handlers: list[Any]) -> Iterator[Any]:
    ae = AE(ae_title=peer.calling_ae)
    ae.connection_timeout = ae.acse_timeout = peer.connect_timeout_s
    ae.dimse_timeout, ae.network_timeout = peer.response_timeout_s, None
    assoc = ae.associate(
        peer.host,
        peer.port,
        contexts=[build_context(STORAGE_COMMITMENT, list(TRANSFER_SYNTAXES))],
        ae_title=peer.ae_title,
        max_pdu=peer.max_pdu_bytes,
        ext_neg=[build_role(STORAGE_COMMITMENT, scp_role=True)] if as_scp else None,
        tls_args=None if peer.tls is None else (tls_context(peer.tls), peer.host),
        evt_handlers=handlers,
    )
    if not assoc.is_established:
        if assoc.is_rejected:
            raise AssociationRejected(f"{peer.words} rejected the association for storage commitment")
        if assoc.rejected_contexts:  # pynetdicom aborts by itself where no context is accepted
            raise ContextRefused(f"{peer.words} does not take the Storage Commitment Push Model SOP class")
        raise PeerUnreachable(f"no association with {peer.words}: it is not there, or did not answer")
    try:
        # Whether the peer answered the role selection is not asked: many that take reports leave it out.
        yield assoc
    except BaseException:
        assoc.abort()
        raise
    else:
        assoc.release()


def _judge(peer: Peer, status: Dataset, what: str) -> None:
    if "Status" not in status:
        raise PeerTimeout(f"{peer.words} did not answer {what} within {peer.response_timeout_s:g} s, or broke off")
    answered = int(status.Status)
    if answered:
        comment = str(status.get("ErrorComment", "") or "")
        said = f" ({comment})" if comment else ""
        raise OperationRefused(f"{peer.words} answered {what} with status 0x{answered:04X}{said}", status=answered)


def _report(ds: Dataset) -> CommitmentReport:
    failed = tuple(
        (_reference(item), int(item.get("FailureReason") or PROCESSING_FAILURE))
        for item in items(ds, "FailedSOPSequence")
    )
    return CommitmentReport(
        transaction_uid=uid(ds, "TransactionUID"),
        committed=tuple(_reference(item) for item in items(ds, "ReferencedSOPSequence")),
        failed=failed,
    )


def _reference(item: Dataset) -> Reference:
    return Reference(sop_class=uid(item, "ReferencedSOPClassUID"), sop_instance=uid(item, "ReferencedSOPInstanceUID"))


def _request_data_set(request: CommitmentRequest) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = request.transaction_uid
    ds.ReferencedSOPSequence = [_item(reference) for reference in request.references]
    return ds


def _report_data_set(report: CommitmentReport) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = report.transaction_uid
    if report.committed:
        ds.ReferencedSOPSequence = [_item(reference) for reference in report.committed]
    if report.failed:
        ds.FailedSOPSequence = []
        for reference, reason in report.failed:
            item = _item(reference)
            item.FailureReason = reason
            ds.FailedSOPSequence.append(item)
    return ds


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class
    item.ReferencedSOPInstanceUID = reference.sop_instance
    return item
