"""Data sets as their index files name them, and pictures as they are kept in memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.errors import MissingData

CACHE_SIZE = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One picture to learn from."""

    image: NDArray[np.uint8]  # (CACHE_SIZE, CACHE_SIZE), letterboxed
    mask: NDArray[np.uint8] | None  # (CACHE_SIZE, CACHE_SIZE), 0 to 255, soft at the edge
    task: str | None  # whose structure it shows; None: of no task
    positive: float | None = None  # 1 malignant, 0 benign


def rows(folder: Path, split: str) -> list[dict[str, str]]:
    """Rows of a data set's index that belong to a split.

    Raises
    ------
    MissingData
        The folder has no index, or the index has no such rows.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise MissingData(f"there is no {index}: --data must name the folder that holds the data sets")
    with index.open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["split"] == split]
    if not found:
        raise MissingData(f"{index} has no row of the split '{split}'")
    return found


def read_gray(path: Path) -> NDArray[np.uint8]:
    """A picture file as gray, (H, W).

    Raises
    ------
    MissingData
        It is not there or is no picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise MissingData(f"{path} is not there or is no picture")
    return np.asarray(picture, dtype=np.uint8)
