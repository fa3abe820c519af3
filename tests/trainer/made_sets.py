"""Tiny sets with the folders and columns of all that tasks learn from: ellipses on speckle, and phantoms.

Each set has `COUNTS` patients a split. What a row says follows from the number of its patient, so that every answer is
there in every split that has patients enough, both answers of yes-or-no questions in each.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom import HeadTruth, Scene, breast_mass, fetal_head
from models.preprocess import gray

COUNTS = {"train": 4, "val": 3, "test": 3}
SHAPE = (80, 96)
SCALE = 0.25  # of phantoms
OPEN, BOUGHT, UNCLEAR = "CC BY 4.0", "CC BY-NC 4.0", "open access, no explicit licence text found"
Mask: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = Mapping[str, object]
Ellipse: TypeAlias = tuple[int, int, int, int]  # centre's x and y, half width, half height, px

ABDOMEN = (("liver", 1), ("gallbladder", 3), ("kidney", 4), ("vessels", 6))
BIRADS = ("2", "3", "4", "5")
TIRADS = ("2", "3", "4a", "4b", "4c", "5")
LUNGS = ("regular", "bacterial_pneumonia", "covid", "viral_pneumonia")


def make(data: Path) -> Path:
    """Write all of them into a folder."""
    rng = np.random.default_rng(11)
    for name, rows in SETS.items():
        folder = data / name
        for each in ("images", "masks"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        listed = [
            {"split": split, "patient_id": f"{name}_{split}{number}", "pixel_spacing_mm": "", **row}
            for split, count in COUNTS.items()
            for number in range(count)
            for row in rows(folder, f"{split}{number}", number, rng)
        ]
        with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(listed[0]))
            writer.writeheader()
            writer.writerows(listed)
    return data


def _abdomen(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    organ, value = ABDOMEN[number % len(ABDOMEN)]
    parts = {1: (30, 40, 16, 20), value: (68, 42, 14, 12)}
    organs = "liver" if organ == "liver" else f"liver {organ}"
    yield _drawn(folder, name, parts, rng) | {"annotated": 1, "organs": organs, "device": "", "licence": UNCLEAR}


def _liver(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    label = ("benign", "malignant", "normal")[number % 3]
    parts = {1: (48, 40, 36, 28)} | ({} if label == "normal" else {2: (44, 38, 9, 8)})
    yield _drawn(folder, name, parts, rng) | {"label": label, "device": "", "licence": OPEN}


def _breast(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    malignant = number % 2 == 1
    scene = breast_mass(_seed(name), malignant)
    told = {"pathology": _verdict(malignant), "birads": BIRADS[number % len(BIRADS)]}
    yield _scene(folder, name, scene) | told | {"device": "scanner A", "licence": "permissive (MIT-style)"}


def _other_breast(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    malignant = number % 2 == 1
    yield _scene(folder, name, breast_mass(_seed(name) + 500, malignant)) | {
        "label": _verdict(malignant),
        "device": "scanner B",
        "licence": OPEN,
    }


def _heart(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    percent = 30 + 12 * number
    shrinks = (1 - percent / 100) ** (1 / 3)
    for phase, size in (("ED", 1.0), ("ES", shrinks)):
        across, along = round(16 * size), round(22 * size)
        parts = {2: (46, 34, across + 6, along + 6), 1: (46, 34, across, along), 3: (46, 68, 12, 8)}
        row = _drawn(folder, f"{name}_4CH_{phase}", parts, rng)
        told = {"view": "4CH", "phase": phase, "ef_single_plane_from_masks_pct": percent}
        yield row | told | {"device": "scanner C", "licence": "CC BY-NC-SA 4.0"}


def _carotid(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    yield _drawn(folder, name, {255: (46, 40, 16, 15)}, rng) | {"device": "scanner D", "licence": OPEN}


def _head(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    scene = _head_of(name)
    row, truth = _scene(folder, name, scene), _truth(scene)
    mm = {"hc_mm": truth.hc_mm, "ellipse_long_axis_mm": truth.ofd_mm, "ellipse_short_axis_mm": truth.bpd_mm}
    yield row | mm | {"device": "scanner E", "licence": OPEN}


def _landmarks(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    """Of the pictures of hc18, as the real set has them: files of that folder, named from this one."""
    scene = _head_of(name)
    truth, (left, top) = _truth(scene), _corner(scene)
    centre = (np.array(truth.centre) - (left, top)) * SCALE
    row: dict[str, object] = {"id": name, "image": f"../hc18/images/{name}.png", "mask": f"../hc18/masks/{name}.png"}
    for axis, half, turn in (("ofd", truth.semi_axes[0], 0), ("bpd", truth.semi_axes[1], 90)):
        way = np.radians(truth.angle_deg + turn)
        for end, sign in ((1, 1), (2, -1)):
            x, y = centre + sign * half * SCALE * np.array([np.cos(way), np.sin(way)])
            row |= {f"{axis}_{end}_x": round(x, 1), f"{axis}_{end}_y": round(y, 1)}
    spacing = scene.mm_per_pixel[0] / SCALE
    yield row | {"pixel_spacing_mm": spacing, "device": "scanner E", "licence": "landmarks CC BY-NC-SA 4.0"}


def _lung(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    ill = number % len(LUNGS) > 0
    row = _drawn(folder, name, {255: (48, 50, 10, 26)} if ill else {}, rng) | {"mask": ""}
    seen = {each: int(ill) for each in ("b_lines", "consolidations", "pleural_irregularities")} | {"effusion": ""}
    told = {"label": LUNGS[number % len(LUNGS)], "probe": "convex", "source_kind": "video"}
    yield row | told | seen | {"device": "", "licence": BOUGHT}


def _thyroid(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    tirads = TIRADS[2 * number % len(TIRADS)]
    told = {
        "tirads": tirads,
        "malignancy_from_tirads": "benign" if tirads in "23" else "suspicious",
        "composition": "solid" if number % 2 else "cystic",
        "echogenicity": "hypoechogenicity",
        "margins": "ill-defined" if number % 2 else "well-defined",
        "calcifications": "" if number == 2 else "non",
    }
    yield _drawn(folder, name, {255: (46, 42, 18, 14)}, rng) | told | {"device": "scanner F", "licence": UNCLEAR}


def _muscle(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    top, bottom = 18 + number, 58 - number
    row = _drawn(folder, name, {1: (48, top, 47, 2), 2: (48, bottom, 47, 2)}, rng) | {"mask": ""}
    told = {
        "muscle": "vastus lateralis",
        "left_border_x_px": 0,
        "width": SHAPE[1],
        "mean_superficial_apo_angle_deg": 0.0,
        "mean_superficial_apo_y_px": top,
        "mean_deep_apo_y_px": bottom,
        "mean_fascicle_angle_deg": 14 + number,
    }
    yield row | told | {"device": "scanner G", "licence": "CC0 1.0"}


def _nerve(folder: Path, name: str, number: int, rng: np.random.Generator) -> Iterator[Words]:
    parts = {1: (30, 44, 12, 9), 2: (66, 38, 12, 11)}
    yield _drawn(folder, name, parts, rng) | {"device": "scanner H", "licence": OPEN}


SETS: dict[str, Callable[[Path, str, int, np.random.Generator], Iterator[Words]]] = {
    "abdomen": _abdomen,
    "aul_liver": _liver,
    "bus_bra": _breast,
    "busi": _other_breast,
    "camus_4ch": _heart,
    "carotid_cca": _carotid,
    "hc18": _head,
    "hc18_landmarks": _landmarks,
    "lung_pocus": _lung,
    "thyroid": _thyroid,
    "timtrack_muscle": _muscle,
    "usgra_seg": _nerve,
}


def _drawn(folder: Path, name: str, parts: Mapping[int, Ellipse], rng: np.random.Generator) -> dict[str, object]:
    """A picture with an ellipse of each value, all moved alike; later ones lie over earlier ones."""
    mask = np.zeros(SHAPE, np.uint8)
    right, down = (int(rng.integers(-6, 7)) for _ in range(2))
    for value, (x, y, across, along) in parts.items():
        cv2.ellipse(mask, (x + right, y + down), (across, along), 0, 0, 360, value, -1)
    brightness = np.array([40, 130, 190, 90, 160, 0, 210] + [0] * 248 + [150], np.float64)
    tissue = cv2.GaussianBlur(rng.normal(0, 120, SHAPE), (0, 0), 4)  # so that no two of them look alike
    return _written(folder, name, brightness[mask] + tissue + rng.normal(0, 10, SHAPE), mask)


def _scene(folder: Path, name: str, scene: Scene) -> dict[str, object]:
    region = scene.regions[0]
    view = (slice(region.top, region.bottom + 1), slice(region.left, region.right + 1))
    picture, mask = (
        np.asarray(cv2.resize(np.ascontiguousarray(each[view]), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA))
        for each in (gray(scene.pixels), scene.mask.astype(np.uint8) * 255)
    )
    row = _written(folder, name, picture.astype(np.float64), np.asarray(mask, dtype=np.uint8))
    return row | {"pixel_spacing_mm": scene.mm_per_pixel[0] / SCALE}


def _written(folder: Path, name: str, picture: NDArray[np.float64], mask: Mask) -> dict[str, object]:
    cv2.imwrite(str(folder / "images" / f"{name}.png"), picture.clip(0, 255).astype(np.uint8))
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    return {"id": name, "image": f"images/{name}.png", "mask": f"masks/{name}.png"}


def _seed(name: str) -> int:
    return 10 * list(COUNTS).index(name[:-1]) + int(name[-1])


@cache
def _head_of(name: str) -> Scene:
    return fetal_head(_seed(name))


def _truth(scene: Scene) -> HeadTruth:
    assert isinstance(scene.truth, HeadTruth)
    return scene.truth


def _corner(scene: Scene) -> tuple[int, int]:
    return scene.regions[0].left, scene.regions[0].top


def _verdict(malignant: bool) -> str:
    return "malignant" if malignant else "benign"
