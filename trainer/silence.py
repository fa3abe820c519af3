"""How often a package answers pictures that it should not answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom import breast_mass, fetal_head
from models.engine import Engine
from models.findings import NoFinding
from models.preprocess import gray
from trainer.data.cohort import OUTSIDERS, read_gray, rows
from trainer.data.synthetic import nonsense
from trainer.errors import MissingData
from trainer.evaluate import look

NEVER_SEEN = ("camus_4ch", "abdomen", "thyroid", "lung_pocus")
PHOTOGRAPHS = ("astronaut", "camera", "coffee", "chelsea", "coins", "moon", "page", "rocket", "text", "clock", "cat")
NONSENSE_SEED = 900_001


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How often a set that is out of scope was answered."""

    data: str
    n: int
    answered: int
    seen_in_training: str  # "no", or which part


def silences(engine: Engine, task: str, data: Path) -> list[Silence]:
    """Every out-of-scope set that is at hand, the training's own sets by their test pictures."""
    other = "bus_bra" if task == "fetal-head" else "hc18"
    out = [
        _count(engine, task, f"{name} test", _split(data / name, "test"), "train split") for name in (*OUTSIDERS, other)
    ]
    unseen = (*NEVER_SEEN, "busi") if task == "fetal-head" else NEVER_SEEN
    out += [_count(engine, task, f"{name} test", _split(data / name, "test"), "no") for name in unseen]
    out.append(_count(engine, task, "phantoms of the other task", _phantoms(task), "other seeds"))
    out.append(_count(engine, task, "noise, text, shapes, empty frames", _made(), "other seeds"))
    out.append(_count(engine, task, "photographs of scikit-image", _photographs(), "no"))
    return [silence for silence in out if silence.n]


def _count(engine: Engine, task: str, name: str, pictures: Iterator[NDArray[np.uint8]], seen: str) -> Silence:
    said = [not any(isinstance(f, NoFinding) for f in look(engine, task, picture).findings) for picture in pictures]
    return Silence(data=name, n=len(said), answered=sum(said), seen_in_training=seen)


def _split(folder: Path, split: str) -> Iterator[NDArray[np.uint8]]:
    try:
        listed = rows(folder, split)
    except MissingData:
        return
    for row in listed:
        yield read_gray(folder / row["image"])


def _phantoms(task: str) -> Iterator[NDArray[np.uint8]]:
    for seed in range(20):
        scene = breast_mass(seed, malignant=seed % 2 == 1) if task == "fetal-head" else fetal_head(seed)
        region = scene.regions[0]
        yield np.ascontiguousarray(gray(scene.pixels)[region.top : region.bottom + 1, region.left : region.right + 1])


def _made() -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(NONSENSE_SEED)
    for _ in range(100):
        yield nonsense(rng).image


def _photographs() -> Iterator[NDArray[np.uint8]]:
    try:
        from skimage import data as pictures
    except ImportError:
        return
    for name in PHOTOGRAPHS:
        whole = np.asarray(getattr(pictures, name)())
        if whole.dtype == np.uint8:
            scale = min(1.0, 512 / max(whole.shape[:2]))
            small = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield gray(np.asarray(small, dtype=np.uint8))
