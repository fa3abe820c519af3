"""Boxes round organs, made from the masks of seven sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.packages.parts import CodeOnCard, Structure
from models.packages.settings_detection import DetectedClass, DetectionSettings
from trainer.tasks import coded
from trainer.tasks.bars import Bar
from trainer.tasks.labels import binary_map, label_map
from trainer.tasks.spec import Row, TaskSpec
from trainer.tasks.truths import Boxes

CLASSES: tuple[tuple[str, CodeOnCard], ...] = (
    ("fetal head", coded.HEAD),
    ("left ventricle", coded.LEFT_VENTRICLE),
    ("left atrium", coded.LEFT_ATRIUM),
    ("thyroid nodule", coded.NODULE),
    ("common carotid artery", coded.CAROTID),
    ("liver", coded.LIVER),
    ("kidney", coded.KIDNEY),
    ("peripheral nerve", coded.NERVE),
)
SEVERAL = frozenset({"peripheral nerve"})  # classes of which a picture may show more than one
LEAST_PART = 0.001  # of the picture: smaller crumbs of a mask are no structure
OPEN = 0.05  # least score until validation pictures choose one
NAMES = tuple(name for name, _ in CLASSES)
# of each set: its one class, whose file is a mask of 0 and 255, or values in the mask files and their classes
OF_SET: dict[str, dict[int, str] | str] = {
    "hc18": "fetal head",
    "thyroid": "thyroid nodule",
    "carotid_cca": "common carotid artery",
    "camus_4ch": {1: "left ventricle", 3: "left atrium"},
    "abdomen": {1: "liver", 4: "kidney"},
    "aul_liver": {1: "liver", 2: "liver"},  # a mass is part of the liver's box
    "usgra_seg": {1: "peripheral nerve"},
}


def boxed(folder: Path, name: str, row: Row) -> Boxes | None:
    """A box round all of a structure, or round each nerve; None where nobody drew masks.

    In the abdomen not every organ in view was outlined, so of its pictures only the classes with a box are labelled; in
    the other sets a class of another set is known to be absent, but for livers and kidneys.

    Raises
    ------
    MissingData
        The mask is not there.
    """
    if row.get("annotated") == "0":
        return None
    classes = OF_SET[name]
    if isinstance(classes, str):
        marked = {classes: binary_map(folder, row).classes == 1}
    else:
        values = label_map(folder, row, tuple(classes)).classes
        numbers = {each: [n for n, name in enumerate(classes.values(), 1) if name == each] for each in classes.values()}
        marked = {each: np.isin(values, mine) for each, mine in numbers.items()}
    found = [(each, part) for each, mask in marked.items() for part in _parts(each, mask)]
    there = {each for each, _ in found}
    labelled = np.array([each in there or (name != "abdomen" and each not in ("liver", "kidney")) for each in NAMES])
    return Boxes(
        boxes=np.array([_box(part) for _, part in found], dtype=np.float64).reshape(-1, 4),
        classes=np.array([NAMES.index(each) for each, _ in found], dtype=np.int64),
        labelled=labelled,
    )


def _parts(name: str, mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The structures of a mask: nerves that lie apart are several, everything else is one."""
    if name not in SEVERAL:
        return [mask] if mask.any() else []
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    least = LEAST_PART * mask.size
    return [numbers == n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= least]


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(mask)
    return columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5


def _class(name: str, kind: CodeOnCard) -> DetectedClass:
    category = coded.ABNORMAL if name == "thyroid nodule" else coded.ANATOMY
    return DetectedClass(structure=Structure(name=name, category=category, type=kind, site=kind), threshold=OPEN)


SPEC = TaskSpec(
    name="organ-detection",
    title="Boxes round organs",
    intended_use="Boxes round organs of several regions, for finding them in a picture. Not for measuring.",
    words="B-mode still or cine of any of the organs of this card",
    not_for="Doppler; organs that are not on this card",
    size=192,
    settings=DetectionSettings(scope=0.5, subject="organs", classes=tuple(_class(*each) for each in CLASSES), level=2),
    data=tuple(OF_SET),
    kin=("hc18_landmarks",),
    headline=("mAP at 0.5",),
    bars=(Bar(figure="mAP at 0.5", least=0.6),),
    truth=boxed,
    limits=(
        "boxes are made from masks; one box goes round all parts of a structure, but for nerves",
        "kidneys are known from six pictures of one recording",
    ),
)
