"""Keeping the index in step with the archive's files, which are the record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from node.archive import Archive, ArchiveError, StoredFile, Unfileable
from node.config import Settings
from node.db import connect, migrate, read, write
from node.db.events import Event, record
from node.db.tables import instance
from node.logs import log_context
from node.studies.announced import studies_in_progress
from node.studies.arrivals import arrive
from node.studies.records import Arrival, Arrived

BATCH: Final = 64  # files per transaction: each transaction costs a sync of the disk

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What a look into `incoming` brought."""

    new: int = 0
    same: int = 0
    conflict: int = 0
    refused: int = 0  # put in quarantine
    left: int = 0  # stay in `incoming`, to be tried again

    @property
    def seen(self) -> int:
        return self.new + self.same + self.conflict + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """How a study is kept open while a modality says that it is at work on it."""

    seconds: float  # without a new instance after which it is complete all the same; 0: it is not kept open
    believed_s: float  # how old a step may be that nobody ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """What a rebuild of the index found."""

    files: int  # instances in the archive
    added: int  # of them, not in the index before
    unreadable: int  # files in the archive that are no instances
    missing: int  # rows of the index whose file is gone


def index_incoming(
    archive: Archive, engine: sa.Engine, *, quiet_s: float, now: datetime, hold: Hold | None = None
) -> Indexed:
    """File away what was received and put it into the index.

    Safe to repeat after a kill at any point: a file leaves `incoming` only when its row is committed. One file that
    cannot be filed holds up no other.

    Parameters
    ----------
    archive
        The archive.
    engine
        The database.
    quiet_s
        Seconds without a new instance after which an exam is complete.
    now
        The time.
    hold
        How long to wait instead while a modality says that it is at work on the exam; None heeds no modality.

    Raises
    ------
    DatabaseUnavailable
        Files filed so far are in the index, the others still in `incoming`.
    """
    totals = dict.fromkeys(Indexed.__dataclass_fields__, 0)
    waiting = list(archive.incoming())
    for start in range(0, len(waiting), BATCH):
        paths = waiting[start : start + BATCH]
        refused: list[Event] = []
        filed = dict(_filed(archive, paths, totals, refused, now))
        with write(engine) as connection:
            record(connection, refused)
            held = _held(connection, filed.values(), hold, now)
            for found in sorted(filed.values(), key=lambda one: one.study_uid):
                wait_s = max(quiet_s, hold.seconds) if hold is not None and found.study_uid in held else quiet_s
                totals[arrive(connection, found, quiet_s=wait_s, now=now)] += 1
        for path in filed:
            archive.forget(path)
    return Indexed(**totals)


def _held(connection: sa.Connection, found: Iterable[Arrival], hold: Hold | None, now: datetime) -> frozenset[str]:
    if hold is None or not hold.seconds:
        return frozenset()
    since = now - timedelta(seconds=hold.believed_s)
    return studies_in_progress(connection, {one.study_uid for one in found}, since)


def _filed(
    archive: Archive, paths: Iterable[Path], totals: dict[str, int], refused: list[Event], now: datetime
) -> Iterator[tuple[Path, Arrival]]:
    for path in paths:
        try:
            yield path, as_arrival(archive.file_away(path, keep=True), archive.root)
        except FileNotFoundError:
            continue  # another process filed it
        except Unfileable as error:
            totals["refused"] += 1
            refused.append(
                Event(
                    at=now, who="scheduler", what="instance.quarantined", kind="instance", key=path.stem,
                    details={"reason": str(error)},
                )
            )  # fmt: skip
            _log.warning("A received file was put in quarantine", extra=log_context(code=error.code, reason=str(error)))
        except ArchiveError as error:
            totals["left"] += 1
            _log.error("A received file cannot be filed now", extra=log_context(code=error.code, reason=str(error)))


def as_arrival(file: StoredFile, root: Path) -> Arrival:
    """The archive's facts about a file, without the header."""
    return Arrival(
        sop_instance_uid=file.sop_instance_uid,
        study_uid=file.study_instance_uid,
        series_uid=file.series_instance_uid,
        sop_class=file.sop_class_uid,
        transfer_syntax=file.transfer_syntax_uid,
        path=file.path.relative_to(root).as_posix(),
        sha256=file.sha256,
        bytes=file.bytes,
        calling_ae=file.calling_ae[:16],
        called_ae=file.called_ae[:16],
        received_at=file.received_at,
    )


def reindex(settings: Settings, *, now: datetime | None = None) -> Reindexed:
    """Rebuild the index from the files alone.

    Works on an empty database, and on a living one, whose jobs, results and deliveries stay. Studies that were not
    in the index are opened and close when their quiet time is over, which it usually is; their jobs run again, with
    the same result UIDs as before.

    Raises
    ------
    DatabaseUnavailable
        What was rebuilt so far is kept; run it again.
    """
    at = now or datetime.now(UTC)
    archive = Archive(settings.archive_dir)
    engine = connect(settings.database)
    try:
        migrate(engine)
        files = added = unreadable = 0
        # A study's files share a folder, and which content of a UID was the first is told by the time of receipt.
        for _, paths in groupby(archive.stored(), key=lambda path: path.parent):
            found, faulty = _described(archive, paths)
            files += len(found)
            unreadable += faulty
            with write(engine) as connection:
                for one in found:
                    added += _restore(connection, one, settings.node.study_quiet_s, at)
        indexed = index_incoming(archive, engine, quiet_s=settings.node.study_quiet_s, now=at)
        missing = _missing(engine, archive.root)
    finally:
        engine.dispose()
        archive.close()
    return Reindexed(
        files=files + indexed.new + indexed.conflict,
        added=added + indexed.new + indexed.conflict,
        unreadable=unreadable + indexed.refused,
        missing=missing,
    )


def _described(archive: Archive, paths: Iterable[Path]) -> tuple[list[Arrival], int]:
    found, faulty = [], 0
    for path in paths:
        try:
            found.append(as_arrival(archive.describe(path), archive.root))
        except (Unfileable, OSError) as error:
            faulty += 1
            _log.warning("A file of the archive is unreadable", extra=log_context(reason=type(error).__name__))
    return sorted(found, key=lambda one: (one.received_at, one.sha256)), faulty


def _restore(connection: sa.Connection, found: Arrival, quiet_s: float, now: datetime) -> int:
    """Add what the index lacks, correct a path that moved; 1 where a row was added."""
    moved = connection.execute(
        instance.update()
        .where(instance.c.sop_instance_uid == found.sop_instance_uid, instance.c.sha256 == found.sha256)
        .values(path=found.path)
    )
    if moved.rowcount:
        return 0
    return int(arrive(connection, found, quiet_s=quiet_s, now=now) is not Arrived.SAME)


def _missing(engine: sa.Engine, root: Path) -> int:
    with read(engine) as connection:
        paths = connection.execute(sa.select(instance.c.path)).scalars()
        return sum(not (root / path).is_file() for path in paths)
