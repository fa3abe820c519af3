"""The manifest of a folder of shards: what is in it, under which licences, and the digests that prove it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from trainer.data.errors import BrokenShard
from trainer.data.journal import Entry
from trainer.data.plan import Plan
from trainer.data.tars import sync_folder

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1


def write_manifest(folder: Path, plan: Plan, entries: Sequence[Entry], options: Mapping[str, object]) -> dict[str, Any]:
    """Sum the report up and write it; the whole of it is there or nothing."""
    samples = [sample for entry in entries for sample in entry.samples]
    left_out = Counter(plan.left_out)
    left_out.update(each["reason"] for entry in entries for each in entry.left_out)
    removed: Counter[str] = Counter()
    for entry in entries:
        removed.update(entry.removed)
    shards = [
        {"name": e.shard, "split": e.split, "samples": len(e.samples), "bytes": e.bytes, "sha256": e.sha256}
        for e in entries
        if e.shard
    ]
    manifest = {
        "format": FORMAT,
        "options": dict(options),
        "digest": hashlib.sha256("\n".join(str(shard["sha256"]) for shard in shards).encode()).hexdigest(),
        "shards": shards,
        "samples": len(samples),
        "by_split": _counts(e.split for e in entries for _ in e.samples),
        "by_source": _counts(sample["source"] for sample in samples),
        "by_organ": _counts(sample["organ"] or "not known" for sample in samples),
        "by_licence": _counts(sample["licence"] for sample in samples),
        "cut": sum(sample["box"] is not None for sample in samples),
        "painted": sum(sample["painted_px"] > 0 for sample in samples),
        "removed": dict(sorted(removed.items())),
        "left_out": dict(sorted(left_out.items())),
    }
    part = folder / f"{MANIFEST}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / MANIFEST)
    sync_folder(folder)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, after every shard was held against its digest.

    Raises
    ------
    BrokenShard
        A shard or the manifest is missing or has become another one.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for shard in manifest["shards"]:
            with (folder / shard["name"]).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != shard["sha256"]:
                raise BrokenShard(f"the shard {folder / shard['name']} is not the one of the manifest: make it again")
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise BrokenShard(
            f"{folder} holds no whole set of shards ({type(fault).__name__}: {fault}): "
            "run `echocare-train shards` again"
        ) from fault
    return manifest


def _counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
