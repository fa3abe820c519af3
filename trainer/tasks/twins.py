"""Pictures that lie in two splits of a data set under different patients, as one can tell by looking at them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from trainer.data.cohort import read_gray, rows
from trainer.data.likeness import Gallery, perceptual_hash
from trainer.errors import MissingData

LEAKING = frozenset({"thyroid"})  # sets in which such pairs were found
ALIKE_BITS = 2  # of 64, as `shards` has it
LATER = {"train": ("val", "test"), "val": ("test",), "test": ()}  # splits whose pictures go before


@lru_cache(maxsize=16)
def twins(folder: Path, split: str) -> frozenset[str]:
    """Ids of a split's pictures whose like lies in a split that judges them; such pictures are not learned from.

    Raises
    ------
    MissingData
        The data set is not there.
    """
    gallery = Gallery(ALIKE_BITS)
    for other in LATER[split]:
        for row in _rows(folder, other):
            gallery.keep(perceptual_hash(read_gray(folder / row["image"])))
    mine = rows(folder, split) if LATER[split] else []
    return frozenset(row["id"] for row in mine if gallery.has_like(perceptual_hash(read_gray(folder / row["image"]))))


def _rows(folder: Path, split: str) -> list[dict[str, str]]:
    try:
        return rows(folder, split)
    except MissingData:  # a set without this split has no twins in it
        return []
