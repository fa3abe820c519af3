"""A data set of bright ellipses that shrink from end-diastole to end-systole, laid out as the one of hearts."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np

from trainer.tasks import spec_of
from trainer.tasks.spec import TaskSpec

SET = "camus_4ch"
COUNTS = {"train": 20, "val": 6, "test": 8}
SHAPE = (80, 96)


def spec() -> TaskSpec:
    """The task on small pictures."""
    whole = spec_of("ejection-fraction")
    return dataclasses.replace(whole, size=64, variation=dataclasses.replace(whole.variation, drawn=0.0))


def make(data: Path) -> Path:
    """Write the set into a folder of `data`."""
    folder = data / SET
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(8)
    listed = [
        row
        for split, count in COUNTS.items()
        for number, percent in enumerate(np.linspace(20, 75, count))
        for row in _pair(folder, f"{split}{number}", float(percent), rng, split)
    ]
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return data


def _pair(folder: Path, patient: str, percent: float, rng: np.random.Generator, split: str) -> list[dict[str, object]]:
    shrinks = (1 - percent / 100) ** (1 / 3)
    out = []
    for phase, size in (("ED", 1.0), ("ES", shrinks)):
        name = f"{patient}_4CH_{phase}"
        mask = np.zeros(SHAPE, np.uint8)
        cv2.ellipse(mask, (48, 40), (round(20 * size), round(32 * size)), 0, 0, 360, 1, -1)
        light = rng.normal(40, 2, SHAPE) + 150 * mask
        cv2.imwrite(str(folder / "images" / f"{name}.png"), light.clip(0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
        out.append(
            {
                "id": name,
                "patient_id": patient,
                "split": split,
                "image": f"images/{name}.png",
                "mask": f"masks/{name}.png",
                "view": "4CH",
                "phase": phase,
                "ef_single_plane_from_masks_pct": percent,
                "pixel_spacing_mm": "",
            }
        )
    return out
