"""Small recipes, pictures and data sets for these tests."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import torch

from models.engine.device import Device, choose
from trainer.catalogue.data_sets import organ_shown
from trainer.pretrain.pictures import Picture
from trainer.pretrain.recipe import PretrainRecipe

SMALL = PretrainRecipe(
    steps=4, batch=4, sizes=((1.0, 64),), patches=4, phantoms=0, precision="float32", warmup=0.01, ema=0.9
)
ORGANS = ("liver", "heart", "breast", "thyroid")


def on_cpu() -> Device:
    torch.set_num_threads(1)
    return choose("cpu", "float32", 1)


def square(number: int) -> np.ndarray:
    """A bright disc on clouds, elsewhere for each number."""
    rng = np.random.default_rng(number)
    clouds = cv2.GaussianBlur(rng.uniform(0, 255, (256, 256)).astype(np.float32), (0, 0), 12)
    picture = np.clip((clouds - 127) * 8 + 60, 0, 255).astype(np.uint8)
    center = (40 + 29 * number % 180, 50 + 47 * number % 150)
    return cv2.circle(picture, center, 30 + number % 10, 220, -1)


def picture(number: int, organ: str = "liver", device: str = "probe", patient: str | None = None) -> Picture:
    return Picture(
        data_set="made",
        name=str(number),
        patient=patient or f"patient {number}",
        device=device,
        licence="CC BY 4.0",
        shown=organ_shown(organ),
        source=square(number),
    )


def pictures(count: int = 8) -> list[Picture]:
    return [picture(number, ORGANS[number % len(ORGANS)]) for number in range(count)]


def write_set(folder: Path, licence: str = "CC BY 4.0", splits: str = "ttttvv", organ: str = "liver") -> Path:
    """A data set of one picture a letter: t train, v val."""
    (folder / "images").mkdir(parents=True)
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["id", "patient_id", "split", "image", "device", "organ", "licence"])
        table.writeheader()
        for number, letter in enumerate(splits):
            cv2.imwrite(str(folder / "images" / f"{number}.png"), square(number + 10 * len(folder.name)))
            table.writerow(
                {
                    "id": number,
                    "patient_id": f"p{number}",
                    "split": {"t": "train", "v": "val"}[letter],
                    "image": f"images/{number}.png",
                    "device": "probe",
                    "organ": organ,
                    "licence": licence,
                }
            )
    return folder
