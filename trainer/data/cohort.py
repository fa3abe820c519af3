"""Pictures of the data sets, as the index files name them, letterboxed into memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocess import letterbox
from trainer.data.graphics import paint_over
from trainer.errors import MissingData

CACHE_SIZE = 256
OUTSIDERS = ("carotid_cca", "usgra_seg", "timtrack_muscle", "aul_liver")  # permissive licences only
ANNOTATED = frozenset({"breast-lesion"})  # pictures with calipers and text; a fetal skull is itself a bright line
COHORT_OF = {"fetal-head": "hc18", "breast-lesion": "bus_bra"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One picture to learn from."""

    image: NDArray[np.uint8]  # (CACHE_SIZE, CACHE_SIZE), letterboxed
    painted: NDArray[np.uint8] | None  # the same without burned-in graphics
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


def load_cohort(data: Path, task: str, split: str) -> list[Sample]:
    """The pictures in which a task finds its structure."""
    folder = data / COHORT_OF[task]
    samples = []
    for row in rows(folder, split):
        source = read_gray(folder / row["image"])
        painted = paint_over(source) if task in ANNOTATED else source
        samples.append(
            Sample(
                image=letterbox(source, CACHE_SIZE)[0],
                painted=None if painted is source else letterbox(painted, CACHE_SIZE)[0],
                mask=letterbox(read_gray(folder / row["mask"]), CACHE_SIZE)[0],
                task=task,
                positive=float(row["pathology"] == "malignant") if row.get("pathology") else None,
            )
        )
    return samples


def load_outsiders(data: Path, split: str) -> list[Sample]:
    """Pictures of organs that no task here is about."""
    return [
        Sample(
            image=letterbox(read_gray(data / name / row["image"]), CACHE_SIZE)[0], painted=None, mask=None, task=None
        )
        for name in OUTSIDERS
        for row in rows(data / name, split)
    ]
