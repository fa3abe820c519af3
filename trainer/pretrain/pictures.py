"""The pictures of image folders with an index, and phantoms, each with what is known of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.packages.licences import use_of_licence
from models.preprocess import letterbox
from trainer.data.cohort import CACHE_SIZE, read_gray, rows
from trainer.data.synthetic import phantoms
from trainer.errors import MissingData
from trainer.pretrain.views import View, view_of

log = logging.getLogger(__name__)
INDEX = "index.csv"
OWN = "phantoms of this repository"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture, read when it is shown."""

    data_set: str
    name: str  # within its set
    patient: str
    device: str  # empty: not known
    licence: str
    view: View | None
    source: Path | NDArray[np.uint8]  # a file, or gray (CACHE_SIZE, CACHE_SIZE)

    def square(self) -> NDArray[np.uint8]:
        """The picture letterboxed, gray, (CACHE_SIZE, CACHE_SIZE); raises MissingData."""
        if isinstance(self.source, Path):
            return letterbox(read_gray(self.source), CACHE_SIZE)[0]
        return self.source


def read_pictures(
    data: Sequence[Path], split: str, *, unseen: Iterable[str] = (), permissive: bool = False
) -> list[Picture]:
    """The pictures of a split; one that several sets share counts for the first of them.

    Parameters
    ----------
    data
        Data sets (folders with `index.csv`), or folders of data sets.
    unseen
        Names of data sets that are left out.
    permissive
        Only pictures whose licence is permissive.

    Raises
    ------
    MissingData
        A named data set has no pictures of the split, or nothing is left.
    """
    left_out = set(unseen)
    found: dict[Path, Picture] = {}
    for folder in data:
        for data_set in _sets(folder):
            if data_set.name in left_out:
                continue
            for picture in _read_set(data_set, split, named=data_set == folder):
                if not permissive or use_of_licence(picture.licence) == "permissive":
                    found.setdefault(Path(str(picture.source)), picture)
    if not found:
        raise MissingData(f"no picture of the split '{split}' is left of {', '.join(str(folder) for folder in data)}")
    return list(found.values())


def phantom_pictures(count: int) -> list[Picture]:
    """Phantoms of training seeds, as pictures."""
    return [
        Picture(
            data_set=OWN,
            name=str(number),
            patient=f"phantom {number}",
            device="phantom",
            licence="this repository's",
            view=view_of(sample.task or "", {}),
            source=sample.image,
        )
        for number, sample in enumerate(phantoms(count))
    ]


def manifest_digest(pictures: Iterable[Picture]) -> str:
    """Hex digest over sets, names and views, in order: tells whether a training goes on with the same pictures."""
    whole = hashlib.sha256()
    for picture in pictures:
        whole.update(f"{picture.data_set}|{picture.name}|{picture.device}|{picture.view}\n".encode())
    return whole.hexdigest()


def _sets(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        return [folder]
    inside = sorted(path.parent for path in folder.glob(f"*/{INDEX}"))
    if not inside:
        raise MissingData(f"{folder} is no data set and holds none: there is no {INDEX}")
    return inside


def _read_set(folder: Path, split: str, *, named: bool) -> list[Picture]:
    try:
        listed = rows(folder, split)
    except MissingData as fault:
        if named:
            raise
        log.info("data set passed over: %s", fault, extra={"action": "pass-over"})
        return []
    if "image" not in listed[0]:
        if named:
            raise MissingData(f"{folder / INDEX} has no column 'image'")
        log.info("data set %s passed over: no column 'image'", folder.name, extra={"action": "pass-over"})
        return []
    return [_picture(folder, row) for row in listed]


def _picture(folder: Path, row: dict[str, str]) -> Picture:
    path = (folder / row["image"]).resolve()
    if not path.is_file():
        raise MissingData(f"{path}, named in {folder / INDEX}, is not there")
    name = row.get("id") or row["image"]
    return Picture(
        data_set=folder.name,
        name=name,
        patient=f"{folder.name} {row.get('patient_id') or name}",
        device=row.get("device", ""),
        licence=row.get("licence", ""),
        view=view_of(folder.name, row),
        source=path,
    )
