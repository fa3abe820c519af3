"""A data set of bright ellipses on dark speckle, and a small task of each kind on it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from models.packages.settings import Settings
from tests.models.asking import code, settings_of
from tests.models.built import HEAD
from trainer.adapting.plan import Plan
from trainer.data.cohort import read_gray
from trainer.tasks.labels import binary_map
from trainer.tasks.spec import TaskSpec, Variation
from trainer.tasks.truths import Answer, Boxes, Outlined, Points, Truth, ViewAnswer

SIZE = 64
SET = "carotid_cca"  # cards know its licence
COUNTS = {"train": 8, "val": 6, "test": 6}
STRUCTURE = {"name": "blob", "category": HEAD.model_dump(), "type": HEAD.model_dump(), "site": HEAD.model_dump()}
OPEN = {"confidence": 0.0, "area": (0.0, 1.0)}
QUESTION = {
    "name": "impression",
    "code": code("impression"),
    "yes": code("big"),
    "no": code("small"),
    "probability_name": "probability of size",
    "probability_code": code("probability"),
    "temperature": 1.0,
    "shift": 0.0,
    "threshold": 0.5,
    "threshold_from": "",
}
KINDS: dict[str, Settings] = {
    "segmentation": settings_of(
        "segmentation",
        scope=0.5,
        name="blob",
        exclusive=True,
        structures=[{"structure": STRUCTURE, "gates": OPEN, "area": True}],
    ),
    "outline": settings_of(
        "outline",
        scope=0.5,
        structure=STRUCTURE,
        measures="diameters",
        question=QUESTION,
        gates={**OPEN, "dominance": 0.0, "ellipse": 0.0},
    ),
    "classification": settings_of(
        "classification",
        scope=0.5,
        question={"name": "size"},
        answers=[{"code": code("small")}, {"code": code("big")}],
    ),
    "ordinal": settings_of(
        "ordinal",
        scope=0.5,
        question={"name": "size"},
        grades=[{"code": code("small")}, {"code": code("big")}, {"code": code("huge")}],
    ),
    "view": settings_of(
        "view",
        scope=0.5,
        regions=[
            {"name": "up", "code": code("up"), "organs": [{"name": "small", "code": code("small")}]},
            {
                "name": "down",
                "code": code("down"),
                "organs": [{"name": "big", "code": code("big")}, {"name": "huge", "code": code("huge")}],
            },
        ],
    ),
    "landmarks": settings_of(
        "landmarks",
        scope=0.5,
        structure=STRUCTURE,
        points=["left", "right"],
        swappable=[["left", "right"]],
        quantities=[{"name": "width", "measure": "length", "points": ["left", "right"]}],
        confidence=0.0,
    ),
    "detection": settings_of(
        "detection",
        scope=0.5,
        subject="blobs",
        classes=[{"structure": STRUCTURE, "threshold": 0.05}],
    ),
}
PLAN = Plan(
    task="toy",
    method="frozen",
    architecture="echocare_tiny",
    encoder="",
    epochs=2,
    batch=4,
    least=8,
    views=2,
)


def make(data: Path, name: str = SET, counts: dict[str, int] = COUNTS) -> Path:
    """Write the set into a folder of `data`."""
    folder = data / name
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    listed = []
    rng = np.random.default_rng(5)
    for split, count in counts.items():
        for number in range(count):
            big = number % 2 == 1
            listed.append(_picture(folder, f"{split}{number}", big, rng) | {"split": split, "patient_id": number // 2})
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return data


def spec(kind: str) -> TaskSpec:
    """A task of a kind on the set."""
    return TaskSpec(
        name="toy",
        title="Toy",
        intended_use="Tests.",
        words="blobs",
        not_for="anything else",
        size=SIZE,
        settings=KINDS[kind],
        data=(SET,),
        headline=("answered",),
        truth=lambda folder, name, row: _truth(kind, folder, row),
        variation=Variation(turn_deg=5.0, drawn=0.0),
    )


def _picture(folder: Path, name: str, big: bool, rng: np.random.Generator) -> dict[str, object]:
    x, y, radius = int(rng.integers(35, 60)), int(rng.integers(30, 50)), 22 if big else 12
    mask = np.zeros((80, 96), np.uint8)
    cv2.ellipse(mask, (x, y), (radius, radius - 3), 0, 0, 360, 255, -1)
    light = rng.normal(40, 12, mask.shape) + mask * 0.6
    cv2.imwrite(str(folder / "images" / f"{name}.png"), light.clip(0, 255).astype(np.uint8))
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    return {
        "id": name,
        "image": f"images/{name}.png",
        "mask": f"masks/{name}.png",
        "big": int(big),
        "x": x,
        "y": y,
        "radius": radius,
        "pixel_spacing_mm": 0.5,
        "device": "scanner B" if big else "scanner A",
    }


def _truth(kind: str, folder: Path, row: dict[str, str]) -> Truth:
    big, x, y, radius = (int(row[key]) for key in ("big", "x", "y", "radius"))
    box = np.array([[x - radius, y - radius + 3, x + radius, y + radius - 3]], dtype=np.float64)
    if kind == "segmentation":
        return binary_map(folder, row)
    return {
        "outline": Outlined(mask=read_gray(folder / row["mask"]), yes=float(big)),
        "classification": Answer(number=big),
        "ordinal": Answer(number=big),
        "view": ViewAnswer(region=big, organ=big),
        "landmarks": Points(points=np.array([[x - radius, y], [x + radius, y]], dtype=np.float64)),
        "detection": Boxes(boxes=box, classes=np.zeros(1, np.int64), labelled=np.ones(1, bool)),
    }[kind]
