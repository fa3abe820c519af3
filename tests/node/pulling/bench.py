"""A node to pull into, without its processes, and studies to pull."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydicom import dcmread
from typer.testing import CliRunner

from node.archive import Archive, StoredFile
from node.cli import app
from node.config import load_settings
from node.db import connect
from node.pulling import Holdings
from node.studies import Indexed, index_incoming
from tests.integration.results.sources import write_source
from tests.node.archive.samples import data_set_bytes
from tests.node.listener.running import listening

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
FIRST, SECOND, CINE = "2.25.10", "2.25.20", "2.25.30"  # Study Instance UIDs


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What `pull --json` answered."""

    exit_code: int
    document: dict[str, Any]
    words: str  # standard error

    @property
    def studies(self) -> dict[str, dict[str, Any]]:
        return {each["study_instance_uid"]: each for each in self.document["studies"]}

    @property
    def fetched(self) -> int:
        return int(self.document["fetched"])


class Bench:
    """A node's archive and database; the test indexes what came."""

    def __init__(self, folder: Path, template: Path, peers: dict[str, Any], **changes: Any) -> None:
        self.folder, self.config = folder, folder / "echocare-node.yaml"
        written = {"node": {"data_dir": "var", "min_free_bytes": 0}, "peers": peers, "routes": [], **changes}
        self.config.write_text(yaml.safe_dump(written), encoding="utf-8")
        self.settings = load_settings(self.config, {})
        self.archive = Archive(self.settings.archive_dir)
        shutil.copy(template, self.settings.data_dir / "node.db")
        self.engine = connect(self.settings.database)

    def pull(self, *words: str) -> Pulled:
        """Run `echocare-node pull --json`."""
        done = CliRunner().invoke(app, ["pull", *words, "--json", "--config", str(self.config)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        document = json.loads(done.stdout) if done.stdout else {}
        return Pulled(exit_code=done.exit_code, document=document, words=done.stderr)

    def incoming(self) -> list[StoredFile]:
        return [self.archive.describe(path) for path in self.archive.incoming()]

    def index(self) -> Indexed:
        """What the scheduler does with what was received."""
        return index_incoming(self.archive, self.engine, quiet_s=30, now=datetime.now(UTC))

    def has(self, *uids: str) -> frozenset[str]:
        return Holdings(self.archive, self.engine).of(uids)

    def parts(self) -> list[Path]:
        return list((self.settings.archive_dir / "incoming").glob("*.part"))

    def close(self) -> None:
        self.archive.close()
        self.engine.dispose()


@contextmanager
def bench(folder: Path, template: Path, peers: dict[str, Any], **changes: Any) -> Iterator[Bench]:
    """A node that pulls; its database is a copy of the template."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Bench(folder, template, peers, **changes)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def hearing(made: Bench, port: int, classes: frozenset[str] | None = None) -> Iterator[None]:
    """Let the node's listener take what C-MOVE brings."""
    root, archive = made.settings.data_dir, made.settings.archive_dir
    with listening(root, port=port, archive_dir=archive, storage_sop_classes=classes):
        yield


def write_studies(folder: Path) -> dict[str, Path]:
    """Three studies of two patients, by SOP Instance UID.

    The first has a series of two stills and a cine, and one of a Secondary Capture; the second one still; the third,
    of the same patient as the second, a cine in JPEG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}

    def write(uid: str, study: str, series: str, *, frames: int = 1, kind: str = "MONO", **text: object) -> None:
        path = made[uid] = folder / f"{uid}.dcm"
        ids = {"SOPInstanceUID": uid, "StudyInstanceUID": study, "SeriesInstanceUID": series}
        write_source(path, frames=frames, kind=kind, rows=40, columns=56, text={**ids, **text})

    one = {"PatientID": "ONE", "AccessionNumber": "A1", "StudyDate": "20260301", "StudyDescription": "OB second"}
    two = {"PatientID": "TWO", "AccessionNumber": "A2", "StudyDate": "20260515", "StudyDescription": "breast"}
    write("2.25.11", FIRST, "2.25.100", **one)
    write("2.25.12", FIRST, "2.25.100", **one)
    write("2.25.13", FIRST, "2.25.100", frames=3, **one)
    write("2.25.14", FIRST, "2.25.101", SOPClassUID=SECONDARY_CAPTURE, Modality="OT", **one)
    write("2.25.21", SECOND, "2.25.200", **two)
    write(
        "2.25.31", CINE, "2.25.300", frames=3, kind="YBR", **{**two, "AccessionNumber": "A3", "StudyDate": "20250101"}
    )
    return made


def same_bytes(found: StoredFile, file: Path) -> bool:
    """Whether the archive has a file's data set as it is, in its transfer syntax."""
    syntax = dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
    return found.transfer_syntax_uid == syntax and data_set_bytes(found.path) == data_set_bytes(file)
