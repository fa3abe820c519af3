"""What all ways of fetching from a PACS have in common: what is asked for, what it has, and where an image is kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Final, Protocol

MOST_MATCHES: Final = 100_000  # answers to one query
_UID: Final = re.compile(r"[0-9.]{1,64}")


class RetrievalError(Exception):
    """A PACS cannot be asked, or does not answer as DICOM has it."""

    code: ClassVar[str] = "retrieval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Matching keys by DICOM keyword, values as a C-FIND has them (PS3.4 C.2.2.2): wildcards, ranges, lists."""

    study: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, str] = field(default_factory=dict)
    modalities: frozenset[str] = frozenset()  # of series; empty: all


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStudy:
    """A study that a PACS has."""

    uid: str
    date: str = ""  # Study Date, as DA
    modalities: tuple[str, ...] = ()  # Modalities in Study, where the PACS tells
    patient_id: str = field(default="", repr=False)  # where it was asked for
    issuer: str = field(default="", repr=False)  # Issuer of Patient ID, where it was asked for and the PACS tells


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInstance:
    """An instance that a PACS has."""

    uid: str  # fit to be the name of a file
    sop_class: str = ""  # where the PACS tells


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSeries:
    """A series that a PACS has."""

    study: str  # Study Instance UID
    uid: str
    modality: str = ""
    instances: tuple[RemoteInstance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """What is said of an instance before its data set comes."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an instance is not kept."""

    status: int  # as an answer to C-STORE (PS3.4 B.2.3)
    words: str  # name no patient


class Reception(Protocol):
    """One instance on its way in."""

    def take(self, piece: memoryview) -> None:
        """Bytes of its data set, in order."""

    def finish(self) -> Refusal | None:
        """All bytes were taken: make it safe; None where it is."""

    def abandon(self) -> None:
        """Forget what was taken; harmless once it is safe."""


class Keeper(Protocol):
    """Where what is fetched is kept."""

    def begin(self, arriving: Arriving) -> Reception:
        """An instance comes."""


class Progress(Protocol):
    """Told how many of the instances that were asked for have come so far."""

    def __call__(self, came: int, /) -> None: ...


class Remote(Protocol):
    """A PACS."""

    @property
    def words(self) -> str:
        """It, for a message."""

    @property
    def way(self) -> str:
        """How it is asked, such as C-GET."""

    def studies(self, wanted: Wanted, most: int) -> list[RemoteStudy]:
        """Studies that match, at most so many; raises RetrievalError."""

    def series(self, study: str, wanted: Wanted) -> list[RemoteSeries]:
        """Series of a study that match, with their instances; raises RetrievalError."""

    def fetch(self, series: RemoteSeries, uids: Collection[str], keeper: Keeper, told: Progress) -> str:
        """Fetch instances of a series.

        Returns why some may not have come, empty where the PACS says that all did; raises RetrievalError where it
        cannot be asked at all. What came is known to the keeper alone.
        """


def days(since: date | None, until: date | None) -> str:
    """As a query for StudyDate has them (PS3.4 C.2.2.2.5.1); empty: any day."""
    if since is None and until is None:
        return ""
    return "-".join("" if day is None else day.strftime("%Y%m%d") for day in (since, until))


def is_uid(word: str) -> bool:
    """Whether it is made like a UID, and so leads out of no folder."""
    return _UID.fullmatch(word) is not None and word.strip(".") != ""


def matches(asked: str, values: Collection[str], vr: str) -> bool:
    """Whether what a PACS answered is what was asked for: it may pass over keys that it does not know.

    Parameters
    ----------
    asked
        A matching key's value; empty matches everything.
    values
        The values in the answer.
    vr
        Value representation of the key. Of names and times it is only seen that there is one: how a PACS matches them
        is its own affair (PS3.4 C.2.2.2.1, C.2.2.2.5).
    """
    if not asked:
        return True
    found = [value.strip() for value in values if value.strip()]
    if vr in ("PN", "TM", "DT"):
        return bool(found)
    if vr == "DA" and "-" in asked:
        first, _, last = asked.partition("-")
        return any((first or "0") <= value <= (last or "9") for value in found)
    patterns = [_pattern(each.strip()) for each in asked.split("\\")]
    return any(pattern.fullmatch(value) for pattern in patterns for value in found)


def _pattern(asked: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter, re.escape(letter)) for letter in asked), re.IGNORECASE)
