"""The pictures of image folders with an index, and phantoms, each with what is known of it."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.packages.licences import use_of_licence
from models.preprocess import letterbox
from trainer.catalogue import DATA_SETS, Shown
from trainer.catalogue.data_sets import LOCAL_COHORT, organ_shown
from trainer.data.cohort import CACHE_SIZE, read_gray
from trainer.data.splitting import split_of
from trainer.data.synthetic import phantoms
from trainer.errors import MissingData

log = logging.getLogger(__name__)
INDEX = "index.csv"
OWN = "phantoms of this repository"
PHANTOM_ORGAN = {"fetal-head": "fetal head", "breast-lesion": "breast"}  # by the task that it is made for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture, read when it is shown."""

    data_set: str
    name: str  # within its set
    patient: str
    device: str  # empty: not known
    licence: str
    shown: Shown  # region and organ, as far as they are known
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
        A folder is no data set and holds none, an index or a picture that it names cannot be read, or nothing is left.
    NotInCatalogue
        An index names a region or an organ that the catalogue does not have.
    """
    left_out = set(unseen)
    found: dict[str, Picture] = {}  # by file
    for folder in data:
        for data_set in _sets(folder):
            if data_set.name in left_out:
                continue
            for picture in _read_set(data_set, split):
                if not permissive or use_of_licence(picture.licence) == "permissive":
                    found.setdefault(str(picture.source), picture)
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
            shown=organ_shown(PHANTOM_ORGAN[sample.task]) if sample.task is not None else Shown(),
            source=sample.image,
        )
        for number, sample in enumerate(phantoms(count))
    ]


def manifest_digest(pictures: Iterable[Picture]) -> str:
    """Hex digest over what is known of the pictures, in order: tells if a training goes on with the same ones."""
    whole = hashlib.sha256()
    for picture in pictures:
        whole.update(
            f"{picture.data_set}|{picture.name}|{picture.device}|{picture.shown.region}|{picture.shown.organ}\n".encode()
        )
    return whole.hexdigest()


def _sets(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        return [folder]
    inside = sorted(path.parent for path in folder.glob(f"*/{INDEX}"))
    if not inside:
        raise MissingData(f"{folder} is no data set and holds none: there is no {INDEX}")
    return inside


def _read_set(folder: Path, split: str) -> list[Picture]:
    index = folder / INDEX
    try:
        with index.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise MissingData(f"{index} cannot be read: {fault}") from fault
    pictures = [_picture(folder, row) for row in rows if row.get("image") and _split(row) == split]
    if not pictures:
        log.info("%s has no pictures of the split '%s'", index, split, extra={"action": "read-index"})
    return pictures


def _split(row: dict[str, str]) -> str:
    """The index's own split stands; where it has none, the rule by patient gives one."""
    return row.get("split") or split_of(row.get("patient_id") or row.get("id") or row["image"])


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
        shown=DATA_SETS.get(folder.name, LOCAL_COHORT).shown(row),
        source=path,
    )
