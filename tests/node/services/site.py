"""A node's listener and scheduler on a real archive and database, and callers scripted with pynetdicom."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import UltrasoundImageStorage
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context, build_role

from models.findings import TaskIdentity
from node.archive import Archive
from node.config import Settings
from node.db import connect, read
from node.jobs import StudyDetail, list_events, study_detail
from node.listener.options import service_options
from node.routing import compile_routes
from node.scheduler import Scheduler
from node.services import Reporters
from node.wake import Wake
from tests.node.listener.running import listening
from tests.node.received import instance_uid, receive, study_uid

QUIET_S = 20.0
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
PACKAGE = TaskIdentity(task="fetal-head", version="1", digest="sha256:" + "a" * 64, encoder_digest="")
OUTBOX = {"poll_s": 0.02, "backoff_s": 0.02, "backoff_max_s": 0.05}


class Site:
    """A node without workers. The test moves its clock, and lets it look around by `step`."""

    def __init__(self, folder: Path, template: Path, **changes: Any) -> None:
        (folder / "var").mkdir()
        shutil.copy(template, folder / "var" / "node.db")
        node = {"data_dir": str(folder / "var"), "study_quiet_s": QUIET_S, **changes.pop("node", {})}
        self.settings = Settings.model_validate(
            {"node": node, "routes": [], "peers": {}, "jobs": {"poll_s": 0.02}, "outbox": OUTBOX, **changes}
        )
        self.engine = connect(self.settings.database)
        self.archive = Archive(self.settings.archive_dir)
        self.port = 0
        self._later = timedelta(0)
        self._wake = Wake(self.settings.data_dir)
        routes = compile_routes(self.settings, [PACKAGE])
        self._scheduler = Scheduler(self.settings, self.engine, self.archive, routes, self._wake, clock=self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._later

    def later(self, seconds: float) -> None:
        self._later += timedelta(seconds=seconds)

    def receive(self, study: int, *numbers: int) -> None:
        """Put instances into the archive, as C-STORE does."""
        for number in numbers:
            receive(self.archive, study, number, "first", self.now())

    def step(self) -> None:
        """What the scheduler does when it is rung."""
        self._scheduler.step()

    def detail(self, study: int) -> StudyDetail | None:
        with read(self.engine) as connection:
            return study_detail(connection, study_uid(study))

    def revisions(self, study: int) -> list[tuple[str, int]]:
        """Who closed each revision, and how many instances it has."""
        from node.studies import instances_of

        detail = self.detail(study)
        with read(self.engine) as connection:
            return [
                (revision.closed_by.value, len(instances_of(connection, revision.id)))
                for revision in (() if detail is None else detail.revisions)
            ]

    def events(self, study: int) -> list[str]:
        with read(self.engine) as connection:
            return [each.what for each in list_events(connection, kind="study", key=study_uid(study))]

    def close(self) -> None:
        self._wake.close()
        self.archive.close()
        self.engine.dispose()


@contextmanager
def site(folder: Path, template: Path, *, idle_timeout_s: float = 60, **changes: Any) -> Iterator[Site]:
    """A site whose listener is heard."""
    made = Site(folder, template, **changes)
    services = replace(service_options(made.settings))
    try:
        with listening(
            made.settings.data_dir,
            services=services,
            idle_timeout_s=idle_timeout_s,
            archive_dir=made.settings.archive_dir,
        ) as running:
            made.port = running.port
            yield made
    finally:
        made.close()


@contextmanager
def working(made: Site) -> Iterator[None]:
    """Let the scheduler look around by itself, and reports go out, for the length of a with block."""
    stop = threading.Event()
    reporters = Reporters(made.settings, made.engine)

    def run() -> None:
        while not stop.wait(0.02):
            made.step()

    thread = threading.Thread(target=run, name="scheduler under test")
    thread.start()
    reporters.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        reporters.stop()


@contextmanager
def calling(
    made: Site, *sop_classes: str, ae_title: str = "US1", handlers: Sequence[Any] = (), scp_role: bool = False
) -> Iterator[Any]:
    """An association with the node."""
    ae = AE(ae_title=ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 60
    roles = [build_role(uid, scp_role=True) for uid in sop_classes] if scp_role else None
    assoc = ae.associate(
        "127.0.0.1",
        made.port,
        contexts=[build_context(uid) for uid in sop_classes],
        ae_title="ECHOCARE",
        ext_neg=roles,
        evt_handlers=list(handlers),
    )
    assert assoc.is_established
    try:
        yield assoc
    finally:
        assoc.release()


def new_step(study: int, status: str = "IN PROGRESS") -> Dataset:
    """The attribute list with which a modality begins a step."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    scheduled = Dataset()
    scheduled.StudyInstanceUID = study_uid(study)
    scheduled.ReferencedStudySequence = []
    ds.ScheduledStepAttributesSequence = [scheduled]
    ds.PatientName, ds.PatientID = "PHANTOM^SAMPLE", "PHANTOM-0001"
    ds.PerformedProcedureStepID = "PPS1"
    ds.PerformedStationAETitle = "US1"
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = "20261124", "120000"
    ds.PerformedProcedureStepStatus = status
    ds.Modality = "US"
    ds.PerformedSeriesSequence = []
    return ds


def step_change(status: str | None, study: int = 1, numbers: Sequence[int] | None = None) -> Dataset:
    """The modification list with which a modality goes on with a step or ends it."""
    ds = Dataset()
    if status is not None:
        ds.PerformedProcedureStepStatus = status
        ds.PerformedProcedureStepEndDate, ds.PerformedProcedureStepEndTime = "20261124", "121000"
    if numbers is not None:
        series = Dataset()
        series.SeriesInstanceUID = f"{study_uid(study)}.0"
        series.ReferencedImageSequence = [reference(study, number) for number in numbers]
        series.ReferencedNonImageCompositeSOPInstanceSequence = []
        ds.PerformedSeriesSequence = [series]
    return ds


def reference(study: int, number: int, sop_class: str = UltrasoundImageStorage) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance_uid(study, number)
    return item


def availability(study: int, numbers: dict[int, str]) -> Dataset:
    """A notification of what is available of a study."""
    ds = Dataset()
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.StudyInstanceUID = study_uid(study)
    series = Dataset()
    series.SeriesInstanceUID = f"{study_uid(study)}.0"
    series.ReferencedSOPSequence = []
    for number, word in numbers.items():
        item = reference(study, number)
        item.InstanceAvailability, item.RetrieveAETitle = word, "PACS"
        series.ReferencedSOPSequence.append(item)
    ds.ReferencedSeriesSequence = [series]
    return ds


def commitment_request(transaction: str, *references: Dataset) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = transaction
    ds.ReferencedSOPSequence = list(references)
    return ds


class Reports:
    """Takes reports of storage commitment, and lets a test wait for them."""

    def __init__(self, status: int = 0x0000) -> None:
        self._status = status
        self._came = threading.Condition()
        self.taken: list[tuple[int, Dataset]] = []  # Event Type ID and event information

    @property
    def handler(self) -> tuple[Any, Any]:
        return (evt.EVT_N_EVENT_REPORT, self._take)

    def _take(self, event: Any) -> tuple[int, None]:
        with self._came:
            self.taken.append((int(event.event_type), event.event_information))
            self._came.notify_all()
        return self._status, None

    def wait(self, count: int = 1, timeout_s: float = 60) -> list[tuple[int, Dataset]]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.taken) >= count, timeout_s), "no report came"
            return list(self.taken)


@contextmanager
def asker(reports: Reports, ae_title: str = "US1", port: int = 0) -> Iterator[int]:
    """An application entity that asked for commitment and takes the report on an association of the node's."""
    ae = AE(ae_title=ae_title)
    ae.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[reports.handler])
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
