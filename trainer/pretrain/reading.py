"""Which pictures there are in image folders with an index, and in shards."""

from __future__ import annotations

import csv
import json
import logging
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from models.packages.licences import use_of_licence
from trainer.catalogue import DATA_SETS, Shown
from trainer.catalogue.data_sets import LOCAL_COHORT
from trainer.data.errors import BrokenShard
from trainer.data.splitting import split_of
from trainer.errors import MissingData
from trainer.pretrain.pictures import InShard, Picture

log = logging.getLogger(__name__)
INDEX = "index.csv"
SHARDS = "*-[0-9]*.tar"


def read_pictures(
    data: Sequence[Path], split: str, *, unseen: Iterable[str] = (), permissive: bool = False
) -> list[Picture]:
    """The pictures of a split; one that several sets share counts for the first of them.

    Parameters
    ----------
    data
        Data sets (folders with `index.csv`), folders of data sets, or folders of shards.
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
    BrokenShard
        A shard cannot be read.
    """
    left_out = set(unseen)
    found: dict[str, Picture] = {}  # by where they lie
    for picture in (picture for folder in data for picture in _in_folder(folder, split)):
        if picture.data_set in left_out or (permissive and use_of_licence(picture.licence) != "permissive"):
            continue
        found.setdefault(str(picture.source), picture)
    if not found:
        raise MissingData(f"no picture of the split '{split}' is left of {', '.join(str(folder) for folder in data)}")
    return list(found.values())


def _in_folder(folder: Path, split: str) -> Iterator[Picture]:
    if (folder / INDEX).is_file():
        yield from _in_set(folder, split)
    elif any(folder.glob(SHARDS)):
        for shard in sorted(folder.glob(f"{split}-[0-9]*.tar")):
            yield from _in_shard(shard)
    else:
        inside = sorted(path.parent for path in folder.glob(f"*/{INDEX}"))
        if not inside:
            raise MissingData(f"{folder} is no data set and holds none: there is no {INDEX}, and no shard")
        for data_set in inside:
            yield from _in_set(data_set, split)


def _in_set(folder: Path, split: str) -> list[Picture]:
    index = folder / INDEX
    try:
        with index.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise MissingData(f"{index} cannot be read: {fault}") from fault
    pictures = [_of_row(folder, row) for row in rows if row.get("image") and _split(row) == split]
    if not pictures:
        log.info("%s has no pictures of the split '%s'", index, split, extra={"action": "read-index"})
    return pictures


def _split(row: dict[str, str]) -> str:
    """The index's own split stands; where it has none, the rule by patient gives one."""
    return row.get("split") or split_of(row.get("patient_id") or row.get("id") or row["image"])


def _of_row(folder: Path, row: dict[str, str]) -> Picture:
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


def _in_shard(shard: Path) -> list[Picture]:
    """As `echocare-train shards` wrote them; only what is said of the pictures is read, and where they lie."""
    pictures, places = [], {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for entry in tar:
                key, _, ending = entry.name.partition(".")
                if ending == "png":
                    places[key] = InShard(shard=shard.resolve(), start=entry.offset_data, length=entry.size)
                elif ending == "json" and (content := tar.extractfile(entry)) is not None:
                    about = json.loads(content.read())
                    pictures.append(
                        Picture(
                            data_set=about["source"],
                            name=key,
                            patient=f"{about['source']} {about['patient']}",
                            device=about["device"] or "",
                            licence=about["licence"] or "",
                            shown=Shown(region=about["region"], organ=about["organ"]),
                            source=places[key],
                        )
                    )
    except (OSError, tarfile.TarError, KeyError, ValueError) as fault:
        raise BrokenShard(f"the shard {shard} cannot be read ({fault}): make it again") from fault
    return pictures
