"""What both ways of fetching from a PACS have in common: which images there are, and how a received one is kept."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Final, Protocol

FETCHED: Final = frozenset({"US", "IVUS", "SEG"})  # modalities: images, and outlines that people drew on them
ULTRASOUND: Final = "US"  # in a study that is looked into
MOST_MATCHES: Final = 100_000  # answers to one query
_UID: Final = re.compile(r"[0-9.]{1,64}")


class RetrievalError(Exception):
    """A PACS cannot be asked, or does not answer as DICOM has it."""

    code: ClassVar[str] = "retrieval"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSeries:
    """A series that a PACS has."""

    study: str  # Study Instance UID
    series: str  # Series Instance UID
    instances: tuple[str, ...]  # SOP Instance UIDs, each fit to be the name of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of one series."""

    came: int  # instances that are on the disk now and were not before
    missing: int  # instances that did not come
    reason: str = ""  # why not; names no patient


class Progress(Protocol):
    """Told of every instance that has come."""

    def __call__(self) -> None: ...


class Remote(Protocol):
    """A PACS."""

    @property
    def words(self) -> str:
        """It, for a message."""

    def series(self, since: date | None, until: date | None) -> list[RemoteSeries]:
        """Series of ultrasound studies of these days, both inclusive; raises RetrievalError."""

    def fetch(self, series: RemoteSeries, folder: Path, came: Progress) -> Fetched:
        """Fetch what of a series is not in the folder yet; raises RetrievalError where no more can come."""


def days(since: date | None, until: date | None) -> str:
    """As a query for StudyDate has them (PS3.4 C.2.2.2.5.1); empty: any day."""
    if since is None and until is None:
        return ""
    return "-".join("" if day is None else day.strftime("%Y%m%d") for day in (since, until))


def is_uid(word: str) -> bool:
    """Whether it is made like a UID, and so leads out of no folder."""
    return _UID.fullmatch(word) is not None and word.strip(".") != ""


def path_of(folder: Path, uid: str) -> Path:
    """The file of an instance."""
    return folder / f"{uid}.dcm"


def missing_of(series: RemoteSeries, folder: Path) -> tuple[str, ...]:
    """The instances of a series that are not in the folder."""
    return tuple(uid for uid in series.instances if not path_of(folder, uid).is_file())


def keep(folder: Path, uid: str, content: bytes) -> None:
    """Write a received file; when this returns it is on the disk, whole.

    Raises
    ------
    OSError
        It cannot be written; nothing half written is left under its name.
    """
    part = folder / f"{uid}.part"
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path_of(folder, uid))
    finally:
        part.unlink(missing_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
