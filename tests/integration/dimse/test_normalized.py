"""Data sets of N-services, and storage commitment towards a scripted archive."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dsutils import encode

from integration.dimse import (
    STORAGE_COMMITMENT,
    AssociationRejected,
    CommitmentReport,
    CommitmentRequest,
    ContextRefused,
    InvalidRequest,
    NewStep,
    OperationRefused,
    Peer,
    PeerTimeout,
    PeerUnreachable,
    Reference,
    StepStatus,
    encoded_report,
    read_availability,
    read_commitment_report,
    read_commitment_request,
    read_new_step,
    read_step_change,
    report_commitment,
    request_commitment,
)

SYNTAXES = [str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)]
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
FIRST = Reference(sop_class="1.2.840.10008.5.1.4.1.1.88.34", sop_instance="1.2.826.5.1")
SECOND = Reference(sop_class="1.2.840.10008.5.1.4.1.1.66.4", sop_instance="1.2.826.5.2")
ASKED = CommitmentRequest(transaction_uid="1.2.826.9", references=(FIRST, SECOND))
VERIFICATION = "1.2.840.10008.1.1"


def written(ds: Dataset, syntax: str) -> bytes:
    encoded = encode(ds, syntax == SYNTAXES[0], True)
    assert encoded is not None
    return bytes(encoded)


def step() -> Dataset:
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.ScheduledStepAttributesSequence = [Dataset(), Dataset()]
    for number, item in enumerate(ds.ScheduledStepAttributesSequence):
        item.StudyInstanceUID = f"1.2.826.{number}"
    return ds


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_step__new_and_changed__studies_images_and_other_objects_are_read(syntax: str) -> None:
    assert read_new_step(written(step(), syntax), syntax) == NewStep(
        study_uids=("1.2.826.0", "1.2.826.1"), instances=()
    )
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "COMPLETED"
    series = Dataset()
    series.ReferencedImageSequence = [Dataset(), Dataset()]
    series.ReferencedNonImageCompositeSOPInstanceSequence = [Dataset()]
    uids = ["1.2.826.5.1", "1.2.826.5.2", "1.2.826.5.3"]
    items = [*series.ReferencedImageSequence, *series.ReferencedNonImageCompositeSOPInstanceSequence]
    for item, uid in zip(items, uids, strict=True):
        item.ReferencedSOPInstanceUID = uid
    ds.PerformedSeriesSequence = [series, Dataset()]
    change = read_step_change(written(ds, syntax), syntax)
    assert (change.status, change.instances) == (StepStatus.COMPLETED, tuple(uids))


def test_step__change_that_says_neither_status_nor_series__leaves_both_as_they_are() -> None:
    ds = Dataset()
    ds.PerformedProcedureStepDescription = "Breast, both sides"
    change = read_step_change(written(ds, SYNTAXES[0]), SYNTAXES[0])
    assert (change.status, change.instances) == (None, None)


@pytest.mark.parametrize("value", ["", "1.2.x", "1" * 65])
def test_step__study_is_no_uid__is_refused_by_attribute_name_only(value: str) -> None:
    ds = step()
    ds.ScheduledStepAttributesSequence[0].StudyInstanceUID = value
    with pytest.raises(InvalidRequest, match="StudyInstanceUID") as caught:
        read_new_step(written(ds, SYNTAXES[0]), SYNTAXES[0])
    assert caught.value.status in (0x0106, 0x0121)
    assert not value or value not in str(caught.value)


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_readers__any_bytes__are_read_or_refused_with_a_status(data: bytes, syntax: str) -> None:
    for read in (
        read_new_step, read_step_change, read_availability, read_commitment_request, read_commitment_report,
    ):  # fmt: skip
        try:
            read(data, syntax)
        except InvalidRequest as error:
            assert error.status in (0x0106, 0x0110, 0x0115, 0x0120, 0x0121)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_report__written_and_read_back__is_the_same(syntax: str) -> None:
    report = CommitmentReport(transaction_uid="1.2.826.9", committed=(FIRST,), failed=((SECOND, 0x0112),))
    assert read_commitment_report(encoded_report(report, syntax), syntax) == report
    assert report.event_type == 2
    whole = CommitmentReport(transaction_uid="1.2.826.9", committed=(FIRST, SECOND), failed=())
    assert read_commitment_report(encoded_report(whole, syntax), syntax) == whole
    assert whole.event_type == 1


@contextmanager
def peer(sop_class: str = STORAGE_COMMITMENT, **handlers: Any) -> Iterator[Peer]:
    ae = AE(ae_title="PEER")
    ae.add_supported_context(sop_class, scu_role=True, scp_role=True)
    bound = [(getattr(evt, f"EVT_{name.upper()}"), handler) for name, handler in handlers.items()]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound)
    assert server is not None
    try:
        yield Peer(
            ae_title="PEER", host="127.0.0.1", port=server.server_address[1], connect_timeout_s=20,
            response_timeout_s=20,
        )  # fmt: skip
    finally:
        server.shutdown()


def test_request__archive_takes_it_and_reports_later__nothing_is_known_yet() -> None:
    taken: list[Dataset] = []

    def act(event: Any) -> tuple[int, None]:
        taken.append(event.action_information)
        return 0x0000, None

    with peer(n_action=act) as archive:
        assert request_commitment(archive, ASKED, linger_s=0) is None
    assert taken[0].TransactionUID == "1.2.826.9"
    assert [item.ReferencedSOPInstanceUID for item in taken[0].ReferencedSOPSequence] == ["1.2.826.5.1", "1.2.826.5.2"]


def test_request__archive_answers_with_a_failure__says_which() -> None:
    with peer(n_action=lambda _event: (0x0213, None)) as archive, pytest.raises(OperationRefused, match="0x0213"):
        request_commitment(archive, ASKED, linger_s=0)


def test_request__archive_takes_other_classes_only__context_refused() -> None:
    with peer(VERIFICATION) as archive, pytest.raises(ContextRefused, match="Storage Commitment"):
        request_commitment(archive, ASKED, linger_s=0)


def test_request__archive_rejects_the_called_title__association_rejected() -> None:
    ae = AE(ae_title="OTHER")
    ae.require_called_aet = True
    ae.add_supported_context(STORAGE_COMMITMENT)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    archive = Peer(ae_title="PEER", host="127.0.0.1", port=server.server_address[1], connect_timeout_s=20)
    with pytest.raises(AssociationRejected):
        request_commitment(archive, ASKED, linger_s=0)
    server.shutdown()


def test_request__nobody_listens_or_says_a_word__peer_unreachable() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        archive = Peer(ae_title="PEER", host="127.0.0.1", port=listening.getsockname()[1], connect_timeout_s=0.3)
        with pytest.raises(PeerUnreachable):
            request_commitment(archive, ASKED, linger_s=0)
        listening.listen()
        with pytest.raises(PeerUnreachable):
            request_commitment(archive, ASKED, linger_s=0)


def test_report__peer_takes_the_association_and_never_answers__times_out() -> None:
    release = Event()

    def hang(_event: Any) -> tuple[int, None]:
        release.wait(20)
        return 0x0000, None

    report = CommitmentReport(transaction_uid="1.2.826.9", committed=(FIRST,), failed=())
    with peer(n_event_report=hang) as scanner:
        impatient = Peer(ae_title="PEER", host="127.0.0.1", port=scanner.port, response_timeout_s=0.3)
        with pytest.raises(PeerTimeout, match="did not answer N-EVENT-REPORT"):
            report_commitment(impatient, report)
        release.set()


def test_report__peer_takes_it__with_the_event_type_and_both_lists() -> None:
    taken: list[tuple[int, str, Dataset]] = []

    def take(event: Any) -> tuple[int, None]:
        taken.append((event.event_type, event.request.AffectedSOPInstanceUID, event.event_information))
        return 0x0000, None

    report = CommitmentReport(transaction_uid="1.2.826.9", committed=(FIRST,), failed=((SECOND, 0x0119),))
    with peer(n_event_report=take) as scanner:
        report_commitment(scanner, report)
    ((event_type, instance, information),) = taken
    assert (event_type, instance) == (2, WELL_KNOWN)
    assert information.FailedSOPSequence[0].FailureReason == 0x0119
