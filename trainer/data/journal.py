"""The report of a run, line by line: what each whole shard holds, what was changed for it, and what was left out.

It is also what a run that was stopped goes on from. A line is written after its shard is safe on the disk; a line
that was cut off is one that was never written.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from trainer.data.errors import BrokenShard, OtherShards

REPORT: Final = "report.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One shard."""

    shard: str  # file name; empty where the items gave no sample at all
    split: str
    sha256: str
    bytes: int
    items: int  # read for it
    samples: list[dict[str, Any]]  # key, organ, licence, hash, box, painted_px, painted of each
    left_out: list[dict[str, Any]]  # key, frame, reason
    removed: dict[str, int]  # attribute or column left behind: in how many items
    headers: list[dict[str, Any]] = field(default_factory=list)  # the same file by file, and what was replaced


class Journal:
    """The report in one folder."""

    def __init__(self, folder: Path, plan: str) -> None:
        """Open it, or begin it.

        Raises
        ------
        OtherShards
            It is of another plan.
        BrokenShard
            It cannot be read.
        """
        self._path = folder / REPORT
        self.entries: list[Entry] = []
        if not self._path.exists():
            self._append({"plan": plan})
            return
        whole, _, torn = self._path.read_text(encoding="utf-8").rpartition("\n")
        if torn:
            os.truncate(self._path, len(whole.encode()) + 1 if whole else 0)
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            before = lines[0]["plan"] if lines else None
            self.entries = [Entry(**line) for line in lines[1:]]
        except (ValueError, KeyError, TypeError) as fault:
            raise BrokenShard(f"the report {self._path} is damaged: begin anew in an empty folder") from fault
        if before is None:
            self._append({"plan": plan})
        elif before != plan:
            raise OtherShards(
                f"{folder} holds shards of other sources, another key or other options: name an empty folder with "
                "--out, or give the command that was given before"
            )

    def add(self, entry: Entry) -> None:
        """Write a line; it is on the disk when this returns."""
        self._append(asdict(entry))
        self.entries.append(entry)

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
