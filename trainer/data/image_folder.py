"""Folders of pictures with an `index.csv`, as the data sets come and as `echocare-train cohort` writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer.catalogue.data_sets import DATA_SETS, LOCAL_COHORT, Row
from trainer.data.changes import painted_boxes
from trainer.data.cohort import read_gray
from trainer.data.graphics import paint_over
from trainer.data.pictures import Change, Item, LeftOut, Picture
from trainer.data.splitting import SPLITS, split_of
from trainer.errors import MissingData, TrainerError

NEEDED: Final = ("id", "patient_id", "image")
SHARED: Final = frozenset(
    ("id", "patient_id", "split", "image", "mask", "structures", "region", "organ", "frame", "device")
) | {"pixel_spacing_mm", "licence"}
BRIGHT_LINES: Final = frozenset({"fetus"})  # regions whose own structures are bright thin lines, as graphics are
BRIGHT_ORGANS: Final = frozenset({"lung", "pleura"})


class ImageFolder:
    """One folder with an index."""

    def __init__(self, folder: Path) -> None:
        """Read the index.

        Raises
        ------
        MissingData
            It cannot be read, or lacks a column that is needed.
        """
        self._folder = folder
        self._data_set = DATA_SETS.get(folder.name, LOCAL_COHORT)
        index = folder / "index.csv"
        try:
            with index.open(newline="", encoding="utf-8") as file:
                found = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as fault:
            raise MissingData(f"{index} cannot be read: {fault}") from fault
        missing = [column for column in NEEDED if found and column not in found[0]]
        if missing or not found:
            raise MissingData(f"{index} has no {', '.join(missing) or 'row'}: see the data cards for its columns")
        self._rows = {row["id"]: row for row in found}
        if len(self._rows) != len(found):
            raise MissingData(f"{index} names a picture twice: each id must be there once")
        unknown = {row.get("split") or "train" for row in found} - set(SPLITS)
        if unknown:
            raise MissingData(f"{index} has the splits {', '.join(sorted(unknown))}: they must be {', '.join(SPLITS)}")

    @property
    def name(self) -> str:
        return self._folder.name

    def items(self) -> Iterator[Item | LeftOut]:
        """One item a row; the index's own split stands, and where it has none, the rule gives one."""
        for name, row in self._rows.items():
            patient = row["patient_id"] or name
            try:
                state = (self._folder / row["image"]).stat()
            except OSError:
                yield LeftOut(reason="missing-data: the index names a picture that is not there")
                continue
            yield Item(
                name=name,
                patient=f"{self.name}/{patient}",  # numbers of two data sets must not become one patient
                split=row.get("split") or split_of(patient),
                state=f"{state.st_size} {state.st_mtime_ns}",
            )

    def pictures(self, item: Item) -> Iterator[Picture | LeftOut]:
        """The picture of a row, with its mask and its labels."""
        try:
            yield self._picture(self._rows[item.name])
        except TrainerError as fault:
            # The message may hold a path, and a path may hold a name.
            yield LeftOut(reason=f"{fault.code}: a picture or its mask cannot be read, or its words are not known")
        except (ValueError, AttributeError):
            yield LeftOut(reason="index.bad-cell: a number or the structures of a row cannot be read")

    def _picture(self, row: Row) -> Picture:
        source = read_gray(self._folder / row["image"])
        shown = self._data_set.shown(row)
        lines = shown.region in BRIGHT_LINES or shown.organ in BRIGHT_ORGANS
        image = source if lines else paint_over(source)
        spacing = float(row.get("pixel_spacing_mm") or 0)
        return Picture(
            image=image,
            mask=self._mask(row, source.shape),
            shown=shown,
            structures=self._structures(row),
            labels={name: row[name] for name in self._data_set.labels if row.get(name)},
            device=row.get("device", ""),
            mm_per_pixel=(spacing, spacing) if spacing > 0 else None,
            licence=row.get("licence") or "not stated",
            change=Change(painted_px=int((image != source).sum()), painted=painted_boxes(source, image)),
            removed=tuple(sorted(set(row) - SHARED - set(self._data_set.labels))),
            replaced=("id", "patient_id"),
        )

    def _structures(self, row: Row) -> dict[int, str]:
        """By the catalogue, or as a local cohort writes them: {"1": "Thyroid nodule"}."""
        if self._data_set.structures or not row.get("structures"):
            return {value: each.name for value, each in self._data_set.structures.items()}
        return {int(value): str(name) for value, name in json.loads(row["structures"]).items()}

    def _mask(self, row: Row, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
        if not row.get("mask"):
            return None
        mask = read_gray(self._folder / row["mask"])
        if mask.shape != shape:
            raise MissingData(f"the mask {row['mask']} is not of its picture's size")
        return mask
