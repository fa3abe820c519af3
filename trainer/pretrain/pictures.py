"""A picture with what is known of it, read when it is shown; and phantoms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocess import letterbox
from trainer.catalogue import Shown
from trainer.catalogue.data_sets import organ_shown
from trainer.data.cohort import CACHE_SIZE, read_gray
from trainer.data.errors import BrokenShard
from trainer.data.synthetic import phantoms

OWN = "phantoms of this repository"
PHANTOM_ORGAN = {"fetal-head": "fetal head", "breast-lesion": "breast"}  # by the task that it is made for


@dataclass(frozen=True, slots=True, kw_only=True)
class InShard:
    """Where the file of a picture lies in a shard."""

    shard: Path
    start: int  # bytes
    length: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture."""

    data_set: str
    name: str  # within its set
    patient: str
    device: str  # empty: not known
    licence: str
    shown: Shown  # region and organ, as far as they are known
    source: Path | InShard | NDArray[np.uint8]  # or itself: gray, (CACHE_SIZE, CACHE_SIZE)

    def square(self) -> NDArray[np.uint8]:
        """The picture letterboxed, gray, (CACHE_SIZE, CACHE_SIZE).

        Raises
        ------
        MissingData
            Its file is no longer there, or is no picture.
        BrokenShard
            Nor is it in its shard.
        """
        if isinstance(self.source, np.ndarray):
            return self.source
        whole = read_gray(self.source) if isinstance(self.source, Path) else _from_shard(self.source)
        return letterbox(whole, CACHE_SIZE)[0]


def phantom_pictures(count: int) -> list[Picture]:
    """Phantoms of training seeds, as pictures."""
    return [
        Picture(
            data_set=OWN,
            name=str(number),
            patient=f"phantom {number}",
            device="phantom",
            licence="this repository's",
            shown=organ_shown(PHANTOM_ORGAN[sample.task]) if sample.task is not None else Shown(),
            source=sample.image,
        )
        for number, sample in enumerate(phantoms(count))
    ]


def manifest_digest(pictures: Iterable[Picture]) -> str:
    """Hex digest over what is known of the pictures, in order: tells if a training goes on with the same ones."""
    whole = hashlib.sha256()
    for picture in pictures:
        shown = f"{picture.shown.region}|{picture.shown.organ}"
        whole.update(f"{picture.data_set}|{picture.name}|{picture.device}|{shown}\n".encode())
    return whole.hexdigest()


def _from_shard(place: InShard) -> NDArray[np.uint8]:
    try:
        with place.shard.open("rb") as file:
            file.seek(place.start)
            data = np.frombuffer(file.read(place.length), np.uint8)
    except OSError as fault:
        raise BrokenShard(f"the shard {place.shard} cannot be read ({fault}): make it again") from fault
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    if picture is None:
        raise BrokenShard(f"the shard {place.shard} has no picture at byte {place.start}: make it again")
    return np.asarray(picture, dtype=np.uint8)
