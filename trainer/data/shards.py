"""From sources to shards: one item after another, each shard safe before the next is begun."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from trainer.data.changes import Headers, of_pixels
from trainer.data.dicom_folder import Taking
from trainer.data.journal import Entry, Journal
from trainer.data.likeness import Gallery, perceptual_hash
from trainer.data.manifest import write_manifest
from trainer.data.pictures import LeftOut, Picture, Source
from trainer.data.plan import Plan, Planned, make_plan
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.tars import ShardSample, ShardWriter

ALIKE: Final = "near-duplicate of a picture kept before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How shards are made; all of it goes into the manifest."""

    samples: int = 1000  # of a shard; the item that fills it is still written whole
    alike_bits: int = 2  # of 64: pictures whose hashes differ in no more are alike; -1 keeps all
    taking: Taking = field(default_factory=Taking)  # how pictures are taken from DICOM files


def make_shards(
    sources: Sequence[Source],
    out: Path,
    pseudonyms: Pseudonyms,
    options: Options,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Write shards, report and manifest; a run that was stopped goes on after its last whole shard.

    Parameters
    ----------
    sources
        Of which no two have the same name.
    out
        Folder for `SPLIT-NNNNNN.tar`, `report.jsonl` and `manifest.json`; made if missing.
    progress
        Told after each item how many are done, and of how many.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    OtherShards
        The folder holds shards of other sources, another key or other options.
    BrokenShard
        Its report is damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    plan = make_plan(sources, pseudonyms, asdict(options))
    _Run(plan, out, pseudonyms, options, progress).go()
    return write_manifest(out, plan, Journal(out, plan.digest).entries, asdict(options))


class _Run:
    def __init__(
        self, plan: Plan, out: Path, pseudonyms: Pseudonyms, options: Options, progress: Callable[[int, int], None]
    ) -> None:
        self._plan, self._out, self._pseudonyms = plan, out, pseudonyms
        self._options, self._progress = options, progress
        self._journal = Journal(out, plan.digest)
        self._gallery = Gallery(options.alike_bits)
        for entry in self._journal.entries:
            for sample in entry.samples:
                self._gallery.keep(int(sample["hash"], 16))
        self._done = sum(entry.items for entry in self._journal.entries)

    def go(self) -> None:
        left = self._plan.items[self._done :]
        for split, group in groupby(left, key=lambda each: each.item.split):
            waiting = list(group)
            while waiting:
                waiting = waiting[self._shard(split, waiting) :]

    def _shard(self, split: str, waiting: Sequence[Planned]) -> int:
        """Write one shard of a split; how many items went into it."""
        number = sum(1 for entry in self._journal.entries if entry.split == split and entry.shard)
        path = self._out / f"{split}-{number:06d}.tar"
        page = _Page()
        writer = ShardWriter(path)
        try:
            for each in waiting:
                self._item(each, writer, page)
                page.items += 1
                self._progress(self._done + page.items, len(self._plan.items))
                if writer.count >= self._options.samples:
                    break
        except BaseException:
            writer.drop()
            raise
        if writer.count:
            writer.close()
        else:
            writer.drop()
        self._journal.add(page.entry(path if writer.count else None, split))
        self._done += page.items
        return page.items

    def _item(self, each: Planned, writer: ShardWriter, page: _Page) -> None:
        removed: set[str] = set()
        for found in each.source.pictures(each.item):
            if isinstance(found, LeftOut):
                page.left_out.append({"key": each.key, "frame": found.frame, "reason": found.reason})
                continue
            removed.update(found.removed)
            page.headers.note(each.key, found)
            hashed = perceptual_hash(found.image)
            if self._gallery.has_like(hashed):
                page.left_out.append({"key": each.key, "frame": found.frame, "reason": ALIKE})
                continue
            self._gallery.keep(hashed)
            sample = self._sample(each, found)
            writer.add(sample)
            page.samples.append(
                {
                    "key": sample.key,
                    "source": each.source.name,
                    "organ": found.shown.organ,
                    "licence": found.licence,
                    "hash": f"{hashed:016x}",
                    **of_pixels(found),
                }
            )
        page.removed.update(removed)

    def _sample(self, each: Planned, picture: Picture) -> ShardSample:
        about = {
            "source": each.source.name,
            "split": each.item.split,
            "patient": self._pseudonyms.of("patient", each.item.patient),
            "frame": picture.frame,
            "view": picture.view,
            "region": picture.shown.region,
            "organ": picture.shown.organ,
            "organs": list(picture.shown.organs),
            "structures": {str(value): name for value, name in picture.structures.items()},
            "labels": dict(picture.labels),
            "device": picture.device,
            "mm_per_pixel": picture.mm_per_pixel,
            "licence": picture.licence,
        }
        key = f"{each.key}-{picture.frame:05d}-{picture.view}"
        return ShardSample(key=key, image=picture.image, mask=picture.mask, about=about)


class _Page:
    """What is noted while a shard is written."""

    def __init__(self) -> None:
        self.items = 0
        self.samples: list[dict[str, Any]] = []
        self.left_out: list[dict[str, Any]] = []
        self.removed: Counter[str] = Counter()
        self.headers = Headers()

    def entry(self, path: Path | None, split: str) -> Entry:
        digest, size = "", 0
        if path is not None:
            size = path.stat().st_size
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(
            shard=path.name if path is not None else "",
            split=split,
            sha256=digest,
            bytes=size,
            items=self.items,
            samples=self.samples,
            left_out=self.left_out,
            removed=dict(sorted(self.removed.items())),
            headers=self.headers.lines(),
        )
