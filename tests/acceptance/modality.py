"""A scanner as a node meets it: it tells of its steps (MPPS), stores its images, and asks that they be kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import PresentationContext, build_context

from integration.phantom import phantom_uid

PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
AE_TITLE = "US1"
EXISTS_ALREADY, HAS_ENDED = 0x0111, 0x0110
ANSWER_S = 120.0  # seconds for an answer; a busy machine must not make a test fail
ATTEMPTS = 4
PATIENCE_S = 600.0


class Modality:
    """A scanner that knows one node; every refusal fails the test."""

    def __init__(self, node_port: int, reports_port: int) -> None:
        self._node_port = node_port
        self._reports_port = reports_port
        self._reported = threading.Condition()
        self._reports: dict[str, Dataset] = {}  # by transaction
        self._answered: dict[str, Dataset] = {}  # those of them whose response is out

    @property
    def peer(self) -> dict[str, Any]:
        """As a peer in the node's configuration: reports of storage commitment may come there."""
        return {"kind": "dimse", "ae_title": AE_TITLE, "host": "127.0.0.1", "port": self._reports_port}

    def begin(self, step: str, image: Path) -> None:
        """A step is in progress, of the patient and the study of an image."""
        of = dcmread(image, stop_before_pixels=True)
        ds, scheduled = Dataset(), Dataset()
        scheduled.StudyInstanceUID = of.StudyInstanceUID
        scheduled.ReferencedStudySequence = []
        ds.SpecificCharacterSet = of.SpecificCharacterSet
        ds.ScheduledStepAttributesSequence = [scheduled]
        ds.PatientName, ds.PatientID = of.PatientName, of.PatientID
        ds.PerformedProcedureStepID, ds.PerformedStationAETitle = "PPS1", AE_TITLE
        ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = of.StudyDate, of.StudyTime
        ds.PerformedProcedureStepStatus = "IN PROGRESS"
        ds.Modality = "US"
        ds.PerformedSeriesSequence = []
        context = build_context(PERFORMED_STEP)
        self._ask(context, lambda assoc: assoc.send_n_create(ds, PERFORMED_STEP, step)[0], again=EXISTS_ALREADY)

    def complete(self, step: str, images: Sequence[Path]) -> None:
        """The step is COMPLETED, with these images."""
        headers = [dcmread(path, stop_before_pixels=True) for path in images]
        ds, series = Dataset(), Dataset()
        ds.PerformedProcedureStepStatus = "COMPLETED"
        ds.PerformedProcedureStepEndDate, ds.PerformedProcedureStepEndTime = headers[0].StudyDate, "110000"
        series.SeriesInstanceUID = headers[0].SeriesInstanceUID
        series.ReferencedImageSequence = [_reference(each) for each in headers]
        series.ReferencedNonImageCompositeSOPInstanceSequence = []
        ds.PerformedSeriesSequence = [series]
        context = build_context(PERFORMED_STEP)
        self._ask(context, lambda assoc: assoc.send_n_set(ds, PERFORMED_STEP, step)[0], again=HAS_ENDED)

    def store(self, images: Sequence[Path]) -> None:
        """Send images by C-STORE, one after the other."""
        for path in images:
            ds = dcmread(path)
            context = build_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
            self._ask(context, partial(_send, ds))

    def kept(self, images: Sequence[Path]) -> set[str]:
        """Ask for storage commitment, and wait for the report; the UIDs that the node commits to."""
        ds = Dataset()
        with self._reported:
            ds.TransactionUID = phantom_uid("transaction", len(self._reports))
        ds.ReferencedSOPSequence = [_reference(dcmread(path, stop_before_pixels=True)) for path in images]

        def ask(assoc: Any) -> Dataset:
            status: Dataset = assoc.send_n_action(ds, 1, COMMITMENT, WELL_KNOWN)[0]
            if status.get("Status") == 0x0000:
                with self._reported:
                    came = self._reported.wait_for(lambda: ds.TransactionUID in self._answered, PATIENCE_S)
                    assert came, "no report came"
            return status

        self._ask(build_context(COMMITMENT), ask)
        report = self._answered[ds.TransactionUID]
        assert "FailedSOPSequence" not in report
        return {str(item.ReferencedSOPInstanceUID) for item in report.ReferencedSOPSequence}

    @property
    def handlers(self) -> list[Any]:
        """For associations on which N-EVENT-REPORT comes: that of the request, or another."""
        return [(evt.EVT_N_EVENT_REPORT, self._take), (evt.EVT_PDU_SENT, self._sent)]

    def _take(self, event: Any) -> tuple[int, None]:
        with self._reported:
            self._reports[str(event.event_information.TransactionUID)] = event.event_information
        return 0x0000, None

    def _sent(self, event: Any) -> None:
        # An association must not be released before the response to a report has gone out on it.
        if isinstance(event.pdu, P_DATA_TF):
            with self._reported:
                self._answered.update(self._reports)
                self._reported.notify_all()

    def _ask(self, context: PresentationContext, send: Callable[[Any], Dataset], *, again: int | None = None) -> None:
        """Ask until there is an answer, as scanners do: on a busy machine pynetdicom now and then loses one.

        `again` is the status of a request that has been fulfilled before.
        """
        for attempt in range(ATTEMPTS):
            with self._calling(context) as assoc:
                status = send(assoc).get("Status")
            if status is not None:
                assert status == 0x0000 or (attempt and status == again), f"0x{status:04X}"
                return
        pytest.fail(f"no answer to any of {ATTEMPTS} requests")

    @contextmanager
    def _calling(self, context: PresentationContext) -> Iterator[Any]:
        ae = AE(ae_title=AE_TITLE)
        ae.acse_timeout = ae.dimse_timeout = ANSWER_S
        ae.network_timeout = PATIENCE_S
        assoc = ae.associate(
            "127.0.0.1",
            self._node_port,
            contexts=[context],
            ae_title="ECHOCARE",
            evt_handlers=self.handlers,
        )
        assert assoc.is_established
        try:
            yield assoc
        finally:
            assoc.release()


@contextmanager
def modality(node_port: int, reports_port: int) -> Iterator[Modality]:
    """A scanner that is switched on: it takes reports also on associations of the node's."""
    made = Modality(node_port, reports_port)
    ae = AE(ae_title=AE_TITLE)
    ae.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
    server = ae.start_server(("127.0.0.1", reports_port), block=False, evt_handlers=made.handlers)
    assert server is not None
    try:
        yield made
    finally:
        server.shutdown()


def _send(ds: Dataset, assoc: Any) -> Dataset:
    status: Dataset = assoc.send_c_store(ds)
    return status


def _reference(of: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = of.SOPClassUID, of.SOPInstanceUID
    return item
