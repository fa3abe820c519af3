"""What the index knows about instances and revisions, as plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from node.db import Signal
from node.db.tables import instance, revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One received file, as the archive filed it away."""

    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class: str
    transfer_syntax: str
    path: str  # below the archive's root
    sha256: str  # of the data set without preamble and file meta
    bytes: int
    calling_ae: str
    called_ae: str
    received_at: datetime


class Arrived(StrEnum):
    """What an arrival turned out to be."""

    NEW = "new"
    SAME = "same"  # these bytes were here already
    CONFLICT = "conflict"  # other bytes under a UID that was here already


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """One row of the index."""

    id: int
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    sop_class: str
    transfer_syntax: str
    path: str
    sha256: str
    bytes: int
    calling_ae: str
    called_ae: str
    received_at: datetime
    conflict: bool

    @classmethod
    def of(cls, row: sa.Row[*tuple[object, ...]]) -> StoredInstance:
        return cls(**{column.name: row._mapping[column] for column in instance.columns})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The set of instances of a study when we believed the exam complete."""

    id: int
    study_uid: str
    number: int  # from 1
    inputs_digest: str
    closed_by: Signal
    closed_at: datetime
    conflict: bool  # some UID of the study came with more than one content
    routed_at: datetime | None  # None until its jobs were made

    @classmethod
    def of(cls, row: sa.Row[*tuple[object, ...]]) -> Revision:
        return cls(**{column.name: row._mapping[column] for column in revision.columns})


def inputs_digest(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (SOP Instance UID, content digest) pairs, whatever their order."""
    text = "".join(f"{uid} {digest}\n" for uid, digest in sorted(pairs))
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()
