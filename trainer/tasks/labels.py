"""Truths that lie in mask files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from trainer.data.cohort import read_gray
from trainer.errors import MissingData
from trainer.tasks.spec import Row
from trainer.tasks.truths import UNLABELLED, LabelMap


def label_map(folder: Path, row: Row, order: Sequence[int]) -> LabelMap:
    """An index mask with the values of a task's structures.

    Parameters
    ----------
    folder
        Of the set.
    row
        With a `mask`.
    order
        The value of each structure in the file, in the order of the card; 0 is none of them, and other values are
        not labelled.

    Raises
    ------
    MissingData
        The file is not there or is no picture.
    """
    path = folder / row["mask"]
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 2:
        raise MissingData(f"{path} is not there or is no mask of one channel")
    table = np.full(256, UNLABELLED, np.uint8)
    table[0] = 0
    for number, value in enumerate(order, 1):
        table[value] = number
    return LabelMap(classes=table[raw])


def binary_map(folder: Path, row: Row) -> LabelMap:
    """A mask of 0 and 255 as a label map of one structure.

    Raises
    ------
    MissingData
        The file is not there or is no picture.
    """
    return LabelMap(classes=(read_gray(folder / row["mask"]) > 127).astype(np.uint8))
