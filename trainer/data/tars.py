"""Shards: tar files of samples, as WebDataset lays them out.

All files of a sample stand together, and share their name up to the first dot: `KEY.png`, `KEY.mask.png`, `KEY.json`.
Written and read with the standard library's tarfile: the layout is all that WebDataset asks for, its package had its
last release in June 2025, and with times and owners fixed the same samples give the same bytes. The package reads
these shards.

References
----------
WebDataset format, github.com/webdataset/webdataset; POSIX.1-1988 (ustar).
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.errors import BrokenShard


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardSample:
    """One sample of a shard."""

    key: str
    image: NDArray[np.uint8]  # (H, W), gray
    mask: NDArray[np.uint8] | None  # (H, W), values as `about["structures"]` names them
    about: dict[str, Any]  # what `echocare-train shards` wrote of it: split, region, organ, labels, licence, …


class ShardWriter:
    """One shard, under another name until it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_suffix(".part")
        self._tar = tarfile.open(self._part, "w", format=tarfile.USTAR_FORMAT)
        self.count = 0

    def add(self, sample: ShardSample) -> None:
        """Append a sample."""
        self._file(f"{sample.key}.png", _png(sample.image))
        if sample.mask is not None:
            self._file(f"{sample.key}.mask.png", _png(sample.mask))
        self._file(f"{sample.key}.json", json.dumps(sample.about, sort_keys=True).encode())
        self.count += 1

    def close(self) -> None:
        """Finish the shard and give it its name."""
        self._tar.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Leave nothing of it behind."""
        self._tar.close()
        self._part.unlink(missing_ok=True)

    def _file(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o444
        self._tar.addfile(entry, BytesIO(data))


def read_shard(path: Path) -> Iterator[ShardSample]:
    """The samples of a shard in their order; one is in memory at a time.

    Raises
    ------
    BrokenShard
        It is missing, cut off, or holds something other than samples.
    """
    try:
        with tarfile.open(path, "r|") as tar:
            files: dict[str, bytes] = {}
            key = ""
            for entry in tar:
                this, _, ending = entry.name.partition(".")
                if this != key and files:
                    yield _sample(key, files)
                    files = {}
                key = this
                content = tar.extractfile(entry)
                files[ending] = content.read() if content is not None else b""
            if files:
                yield _sample(key, files)
    except (OSError, tarfile.TarError, KeyError, ValueError, cv2.error) as fault:
        raise BrokenShard(f"the shard {path} cannot be read ({fault}): make it again") from fault


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sample(key: str, files: dict[str, bytes]) -> ShardSample:
    return ShardSample(
        key=key,
        image=_decoded(files["png"]),
        mask=_decoded(files["mask.png"]) if "mask.png" in files else None,
        about=json.loads(files["json"]),
    )


def _png(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])


def _decoded(data: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ValueError("a picture in it is damaged")
    return np.asarray(picture, dtype=np.uint8)
