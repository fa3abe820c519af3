"""A node whose route asks for priors, driven by hand, and the older studies that peers have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset

from node.archive import Archive
from node.db import read
from node.jobs import PastEvent, Prior, StudyOverview, list_events, priors_of, studies_overview
from node.pulling import PriorFetcher
from tests.node.worker.bench import Bench, still

CURRENT, LAST, BEFORE, FIRST = "1.2.3", "1.2.31", "1.2.32", "1.2.33"
ANCIENT, NEWER, SAME_DAY, STRANGER, MAGNETIC = "1.2.34", "1.2.35", "1.2.36", "1.2.37", "1.2.38"
OF_LAST = (f"{LAST}.1.1", f"{LAST}.1.2")
MAGNETIC_CLASS = "1.2.840.10008.5.1.4.1.1.4"


def older_studies() -> list[Dataset]:
    """What a peer has beside the study at hand, which is of 2026-01-01: three priors, the newest with two images."""
    return [
        still(LAST, 1, StudyDate="20251201"),
        still(LAST, 2, StudyDate="20251201"),
        still(BEFORE, 1, StudyDate="20250601"),
        still(FIRST, 1, StudyDate="20250101"),
        still(ANCIENT, 1, StudyDate="20200101"),
        still(NEWER, 1, StudyDate="20260301"),
        still(SAME_DAY, 1, StudyDate="20260101"),
        still(STRANGER, 1, StudyDate="20251215", PatientID="SOMEBODY-ELSE"),
        still(MAGNETIC, 1, StudyDate="20251220", Modality="MR", SOPClassUID=MAGNETIC_CLASS),
    ]


def part_10(ds: Dataset) -> bytes:
    """A data set as a file in explicit VR little endian."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def changed(content: bytes, **changes: object) -> bytes:
    """A file with other attributes."""
    ds = dcmread(BytesIO(content))
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return part_10(ds)


class Site(Bench):
    """A node with a route that asks the peer `pacs` for priors; its clock is the real one, and can be moved on."""

    _moved = timedelta(0)

    @property
    def now(self) -> datetime:  # type: ignore[override]  # it goes by itself here, for the times of files count
        return datetime.now(UTC) + self._moved

    @now.setter
    def now(self, at: datetime) -> None:
        self._moved = at - datetime.now(UTC)

    def __init__(self, folder: Path, database: Path | str, pacs: dict[str, Any], **priors: Any) -> None:
        routes = [
            {
                "name": "fetal",
                "task": "fetal-head",
                "send_to": ["out"],
                "priors": {"source": "pacs", "wait_s": 60, **priors},
            },
        ]
        peers = {"out": {"kind": "folder", "path": str(folder / "out")}, "pacs": pacs}
        listener = {"dicom_port": pacs.pop("moves_to", 11112)}
        super().__init__(folder, database, routes=routes, peers=peers, listener=listener)
        self.kept = Archive(self.settings.archive_dir)
        self.fetcher = PriorFetcher(self.settings, self.database, self.kept, "pacs", clock=lambda: self.now)

    def closes(self, *instances: Dataset) -> None:
        """Images come and their study is complete; by default one of the study at hand."""
        for ds in instances or (still(CURRENT, 1),):
            self.receive_ds(ds)
        self.scheduler.step()
        self.later(1.01)
        self.scheduler.step()

    def fetches(self) -> bool:
        """The peer is asked, and what came is indexed; whether there was anything to ask for."""
        done = self.fetcher.step()
        self.later(0.01)
        self.scheduler.step()
        return done

    @contextmanager
    def fetching(self) -> Iterator[threading.Thread]:
        """The peer is asked while the node goes on; waited for at the end of the block."""
        thread = threading.Thread(target=self.fetcher.step)
        thread.start()
        try:
            yield thread
        finally:
            thread.join(60)

    def priors(self, study: str = CURRENT) -> dict[str, str]:
        return {each.study_uid: each.state.value for each in self.all_priors(study)}

    def all_priors(self, study: str = CURRENT) -> tuple[Prior, ...]:
        with read(self.database) as connection:
            return priors_of(connection, study)

    def study(self, uid: str) -> StudyOverview | None:
        with read(self.database) as connection:
            return next(iter(studies_overview(connection, uid=uid)), None)

    def has(self) -> set[str]:
        """Studies that something is here of."""
        with read(self.database) as connection:
            return {each.uid for each in studies_overview(connection)}

    def events(self, study: str = CURRENT, what: str = "") -> list[PastEvent]:
        with read(self.database) as connection:
            found = list_events(connection, kind="study", key=study)
        return [each for each in found if each.what.startswith(f"study.{what}")]

    def said(self, study: str = CURRENT) -> str:
        """Why not all priors of a study are here."""
        (settled,) = self.events(study, "priors_settled")
        return str(settled.details["reason"] or "")

    def close(self) -> None:
        self.kept.close()
        super().close()


@contextmanager
def site(folder: Path, database: Path | str, pacs: dict[str, Any], **priors: Any) -> Iterator[Site]:
    folder.mkdir(parents=True, exist_ok=True)
    made = Site(folder, database, pacs, **priors)
    try:
        yield made
    finally:
        made.close()
