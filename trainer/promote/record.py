"""The record of a site: every step that was taken, in order, never changed.

One JSON object a line. A line counts from when it ends in a line break and is synced; one that was cut off by a crash
was never written, and the next line takes its place.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from trainer.promote.errors import BadRecord, SiteBusy

RECORD: Final = "record.jsonl"
RUN_LOCK: Final = ".run.lock"
SWITCH_LOCK: Final = ".switch.lock"


class Step(StrEnum):
    """What was done."""

    COHORT = "cohort"  # the site's pictures were gathered
    ADAPTED = "adapted"  # a candidate was learned
    COMPARED = "compared"  # candidate and running package were measured, and a decision came out
    SHADOWED = "shadowed"  # a route for the shadow was proposed
    WATCHED = "watched"  # what both said in the node was compared
    REFUSED = "refused"  # the run ended without a promotion
    PROMOTING = "promoting"  # a switch begins
    PROMOTED = "promoted"  # it is done
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    INTERRUPTED = "interrupted"  # a switch had begun and was not carried out: what ran before still runs


ENDS: Final = (Step.REFUSED, Step.PROMOTED)  # of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    step: Step
    task: str
    run: str  # which run of the loop, by its start
    who: str  # login name of the user who asked, or what was told instead
    at: str  # UTC, ISO 8601
    inputs: str = ""  # digest of all that decides the outcome of this step
    what: dict[str, Any] = field(default_factory=dict)  # digests, figures, decisions with reasons


class Record:
    """The record in a site folder."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises
        ------
        BadRecord
            A line before the last is damaged.
        """
        self._path = folder / RECORD
        self.entries: tuple[Entry, ...] = _read(self._path)

    def add(self, entry: Entry) -> Entry:
        """Append a line; it is on the disk when this returns, and what others have added meanwhile is read."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = not self._path.exists()
        with self._path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            whole = _whole_bytes(self._path)
            if whole < os.fstat(file.fileno()).st_size:
                file.truncate(whole)
            file.write(json.dumps(asdict(entry), sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(self._path.parent)
        self.entries = _read(self._path)
        return entry

    def of(self, task: str, *steps: Step) -> list[Entry]:
        """The entries of a task and of some steps, oldest first; without steps, all."""
        return [each for each in self.entries if each.task == task and (not steps or each.step in steps)]

    def last(self, task: str, *steps: Step) -> Entry | None:
        """The newest of `of`."""
        found = self.of(task, *steps)
        return found[-1] if found else None

    def done(self, task: str, run: str, step: Step, inputs: str) -> Entry | None:
        """The same step of the same run with the same inputs, if it was taken already."""
        found = [each for each in self.of(task, step) if each.run == run and each.inputs == inputs]
        return found[-1] if found else None

    def open_run(self, task: str) -> str | None:
        """The run that was begun and did not end; None where there is none."""
        runs = [each for each in self.of(task) if each.step is Step.COHORT]
        if not runs or any(each.run == runs[-1].run for each in self.of(task, *ENDS)):
            return None
        return runs[-1].run


def entry(step: Step, task: str, run: str, who: str, **rest: Any) -> Entry:  # noqa: ANN401 - fields of Entry
    """A line of now."""
    return Entry(step=step, task=task, run=run, who=who, at=datetime.now(UTC).isoformat(timespec="seconds"), **rest)


def asker(said: str | None = None) -> str:
    """Who asks: what was said, else the login name."""
    if said:
        return said
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return f"user {os.getuid()}"


def digest_of(*parts: object) -> str:
    """One digest over what can be said in JSON."""
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The runs of a site for this process alone: they take hours.

    Raises
    ------
    SiteBusy
        Another process has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RUN_LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise SiteBusy(f"another run works in {folder}: wait until it is done") from fault
        yield


@contextmanager
def switching(folder: Path) -> Iterator[None]:
    """The promoted packages of a site for this process alone: waits for others, who take seconds.

    It is another lock than that of `held`, so that a rollback never waits for a training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SWITCH_LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> tuple[Entry, ...]:
    if not path.is_file():
        return ()
    whole = path.read_bytes()[: _whole_bytes(path)]
    entries = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            raw: Mapping[str, Any] = json.loads(line)
            entries.append(Entry(**{**raw, "step": Step(raw["step"])}))
        except (ValueError, KeyError, TypeError) as fault:
            raise BadRecord(
                f"line {number} of {path} is damaged ({fault}): restore the file from a backup; nothing is changed"
                " until it can be read"
            ) from fault
    return tuple(entries)


def _whole_bytes(path: Path) -> int:
    """Bytes up to the last line break."""
    return path.read_bytes().rfind(b"\n") + 1


def _plain(value: object) -> str:
    return str(value)
