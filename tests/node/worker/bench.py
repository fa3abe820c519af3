"""Archive, database, scheduler, worker and a folder peer in one process, with an engine that knows the answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from integration.dimse import read_sendable
from models.findings import Code, Finding, Mask, Measure, Quantity, TaskIdentity
from node.archive import Archive, FileMeta
from node.config import Settings
from node.db import connect, read
from node.jobs import Job, list_jobs
from node.outbox import FolderSender
from node.outbox.courier import Courier
from node.routing import compile_routes
from node.scheduler import Scheduler
from node.wake import Wake
from node.worker import PatientCheck, Runner, Worker

PACKAGE = TaskIdentity(task="fetal-head", version="1", digest="sha256:" + "a" * 64, encoder_digest="sha256:" + "b" * 64)
ANATOMY = Code(value="123037004", scheme="SCT", meaning="Anatomical Structure")
HEAD = Code(value="69536005", scheme="SCT", meaning="Head")
CIRCUMFERENCE = Code(value="11984-2", scheme="LN", meaning="Head Circumference")


@dataclass
class Answer:
    """What `models.engine.TaskFindings` holds."""

    identity: TaskIdentity
    findings: tuple[Finding, ...]


@dataclass
class DiscEngine:
    """Finds a square in the middle of the first frame, after it has looked at all frames."""

    before: Callable[[str], None] = lambda task: None
    identity: TaskIdentity = PACKAGE
    seen: list[int] = field(default_factory=list)  # frames per call

    def run(self, task: str, frames: Iterator[Any], *, priority: Any, cancelled: Callable[[], bool]) -> Any:
        self.before(task)
        count, shape = 0, (0, 0)
        for frame in frames:
            if cancelled():
                break
            count, shape = count + 1, frame.pixels.shape[:2]
        self.seen.append(count)
        return Answer(identity=self.identity, findings=tuple(square_in(*shape)))


def square_in(rows: int, columns: int) -> Iterator[Finding]:
    top, left, bottom, right = rows // 4, columns // 4, rows // 2, columns // 2
    mask = np.zeros((rows, columns), bool)
    mask[top : bottom + 1, left : right + 1] = True
    whose = {"group": "fetal head 1", "frame": 1, "site": HEAD}
    yield Mask(
        name="fetal head", code=HEAD, category=ANATOMY, rows=rows, columns=columns, deflated=Mask.deflate(mask), **whose
    )
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    yield Quantity(
        name="head circumference",
        code=CIRCUMFERENCE,
        value=2.0 * (right - left + bottom - top),
        unit="px",
        measure=Measure.PERIMETER,
        points=tuple((float(x), float(y)) for x, y in corners),
        **whose,
    )


class Bench:
    """The flow of data, driven by hand and with a clock of its own.

    `database` is a migrated SQLite file, which is copied, or the URL of a migrated database, which is used as it is.
    """

    def __init__(self, folder: Path, database: Path | str, engine: DiscEngine | None = None, **sections: Any) -> None:
        (folder / "var").mkdir()
        if isinstance(database, Path):
            shutil.copy(database, folder / "var" / "node.db")
        else:
            sections["database"] = database
        route = {"name": "fetal", "when": "true", "task": "fetal-head", "send_to": ["out"]}
        given = {
            "node": {"data_dir": str(folder / "var"), "study_quiet_s": 1},
            "peers": {"out": {"kind": "folder", "path": str(folder / "out")}},
            "routes": [route],
            "jobs": {"poll_s": 0.05, "max_attempts": 2, "backoff_s": 0.01, "backoff_max_s": 0.01},
        }
        self.settings = Settings.model_validate(given | sections)
        self.out = folder / "out"
        self.now = datetime.now(UTC)
        self.database = connect(self.settings.database)
        self.archive = Archive(self.settings.archive_dir)
        self.wake = Wake(self.settings.data_dir, "bench")
        self.engine = engine or DiscEngine()
        self.install(PACKAGE)
        sender = FolderSender(self.out, self.settings.results_dir)
        self.courier = Courier(self.settings, "out", sender, self.database, clock=lambda: self.now)

    def install(self, package: TaskIdentity) -> None:
        """Start scheduler and worker with this task package."""
        self.engine.identity = package
        routes = compile_routes(self.settings, [package])
        self.scheduler = Scheduler(
            self.settings, self.database, self.archive, routes, self.wake, clock=lambda: self.now
        )
        runner = Runner(
            settings=self.settings,
            database=self.database,
            engine=self.engine,
            packages={package.task: package},
            patients=PatientCheck(self.settings.archive_dir),
        )
        self.worker = Worker(self.settings, self.database, runner, clock=lambda: self.now)

    def receive(self, data_set: bytes, *, sop_class: str, uid: str, transfer_syntax: str) -> None:
        meta = FileMeta(
            sop_class_uid=sop_class,
            sop_instance_uid=uid,
            transfer_syntax_uid=transfer_syntax,
            calling_ae="US1",
            called_ae="ECHOCARE",
        )
        receipt = self.archive.begin(meta)
        receipt.write(data_set)
        receipt.commit()

    def receive_file(self, path: Path) -> None:
        about = read_sendable(path)
        self.receive(
            path.read_bytes()[about.offset :],
            sop_class=about.sop_class_uid,
            uid=about.sop_instance_uid,
            transfer_syntax=about.transfer_syntax,
        )

    def receive_ds(self, ds: Dataset, transfer_syntax: str = "1.2.840.10008.1.2.1") -> None:
        self.receive(
            encoded(ds), sop_class=str(ds.SOPClassUID), uid=str(ds.SOPInstanceUID), transfer_syntax=transfer_syntax
        )

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def settle(self) -> None:
        """Let everything happen that will."""
        self.scheduler.step()
        for _ in range(4):
            self.later(1.01)
            self.scheduler.step()
            while self.worker.step(self.wake):
                pass
            while self.courier.step():
                pass

    def jobs(self, study_uid: str | None = None) -> tuple[Job, ...]:
        with read(self.database) as connection:
            return list_jobs(connection, study_uid=study_uid)

    def delivered(self, study_uid: str) -> list[Path]:
        return sorted((self.out / study_uid).rglob("*.dcm"))

    def close(self) -> None:
        self.wake.close()
        self.archive.close()
        self.database.dispose()


def encoded(ds: Dataset) -> bytes:
    """A data set's bytes in explicit VR little endian, without File Meta."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return bytes(buffer.getvalue())


def still(study: str = "1.2.3", number: int = 1, **changes: object) -> Dataset:
    """A small valid ultrasound image."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    ds.SOPInstanceUID = f"{study}.1.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.1"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "PHANTOM^SAMPLE", "PHANTOM-0001", "", ""
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260101", "120000", "1", ""
    ds.ReferringPhysicianName, ds.Modality, ds.Manufacturer = "", "US", "phantom"
    ds.SeriesNumber = ds.InstanceNumber = number
    ds.Rows, ds.Columns = 128, 160
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    frames = int(ds.get("NumberOfFrames") or 1)
    size = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8 * frames
    if "PixelData" not in changes:
        ds.PixelData = (
            np.random.default_rng(5).integers(0, 200, min(size, 1 << 20), np.uint8).tobytes().ljust(size, b"\0")
        )
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    return ds
