"""Pictures made here: phantoms with their truth, and pictures that no task should answer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom import breast_mass, fetal_head
from models.preprocess import gray, letterbox
from trainer.data.cohort import CACHE_SIZE, Sample

TRAIN_SEED = 10_000  # phantoms of smaller seeds are kept for tests


def phantoms(count: int, first_seed: int = TRAIN_SEED) -> list[Sample]:
    """Fetal heads, and breast masses of both looks, in turn."""
    samples = []
    for seed in range(first_seed, first_seed + count):
        breast = seed % 2 == 1
        malignant = seed % 4 == 3
        scene = breast_mass(seed, malignant) if breast else fetal_head(seed)
        region = scene.regions[0]
        view = (slice(region.top, region.bottom + 1), slice(region.left, region.right + 1))
        whole = seed % 3 == 0
        pixels = gray(scene.pixels) if whole else gray(scene.pixels)[view]
        mask = scene.mask.astype(np.uint8) * 255
        samples.append(
            Sample(
                image=letterbox(np.ascontiguousarray(pixels), CACHE_SIZE)[0],
                mask=letterbox(np.ascontiguousarray(mask if whole else mask[view]), CACHE_SIZE)[0],
                task="breast-lesion" if breast else "fetal-head",
                positive=float(malignant) if breast else None,
            )
        )
    return samples


def nonsense(rng: np.random.Generator) -> Sample:
    """A picture that is no ultrasound: noise, ramps, text, shapes, clouds, nothing, an empty sector."""
    maker = (_noise, _ramp, _page, _shapes, _clouds, _empty, _empty_sector)[int(rng.integers(7))]
    return Sample(image=maker(rng), mask=None, task=None)


def in_sector(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture seen through a curved probe's sector, so that the sector alone says nothing about the organ."""
    out = np.zeros_like(image)
    zoomed = cv2.resize(image, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_LINEAR)
    top, left = (int(v) for v in rng.integers(0, zoomed.shape[0] - CACHE_SIZE, 2))
    zoomed = zoomed[top : top + CACHE_SIZE, left : left + CACHE_SIZE]
    inside = _sector(rng)
    out[inside] = zoomed[inside]
    return out


def without_head(sample: Sample, filling: NDArray[np.uint8], rng: np.random.Generator) -> Sample:
    """A fetal picture whose head was replaced by other tissue: what lies round a head is not a head."""
    if sample.mask is None:
        return sample
    wide = cv2.dilate(sample.mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
    share = cv2.GaussianBlur(wide, (0, 0), 4).astype(np.float32) / 255
    level = float(sample.image[wide > 127].mean()) / max(1.0, float(filling.mean()))
    other = filling.astype(np.float32) * level * rng.uniform(0.6, 1.2)
    mixed = sample.image * (1 - share) + other * share
    return Sample(image=mixed.clip(0, 255).astype(np.uint8), mask=None, task=None)


def _sector(rng: np.random.Generator) -> NDArray[np.bool_]:
    y, x = np.mgrid[0:CACHE_SIZE, 0:CACHE_SIZE].astype(np.float32)
    apex_x, apex_y = rng.uniform(90, 166), rng.uniform(-90, 25)
    far, near = rng.uniform(200, 300), rng.uniform(10, 90)
    distance = np.hypot(x - apex_x, y - apex_y)
    angle = np.arctan2(x - apex_x, y - apex_y)
    inside: NDArray[np.bool_] = (distance > near) & (distance < far) & (np.abs(angle) < rng.uniform(0.4, 0.9))
    return inside


def _noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    field = rng.normal(rng.uniform(20, 200), rng.uniform(5, 60), (CACHE_SIZE, CACHE_SIZE)).astype(np.float32)
    if rng.random() < 0.5:
        field = np.asarray(cv2.GaussianBlur(field, (0, 0), float(rng.uniform(0.5, 3))), dtype=np.float32)
    return np.asarray(field.clip(0, 255), dtype=np.uint8)


def _ramp(rng: np.random.Generator) -> NDArray[np.uint8]:
    ramp = np.linspace(rng.uniform(0, 255), rng.uniform(0, 255), CACHE_SIZE)
    flat = np.tile(ramp, (CACHE_SIZE, 1))
    return np.asarray(flat if rng.random() < 0.5 else flat.T, dtype=np.uint8)


def _page(rng: np.random.Generator) -> NDArray[np.uint8]:
    page = np.zeros((CACHE_SIZE, CACHE_SIZE), np.uint8)
    for _ in range(int(rng.integers(3, 30))):
        words = "".join(chr(int(rng.integers(48, 122))) for _ in range(int(rng.integers(3, 16))))
        place = (int(rng.integers(-10, 200)), int(rng.integers(8, CACHE_SIZE)))
        shade = int(rng.integers(90, 256))
        cv2.putText(page, words, place, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.3, 1.0)), shade, 1)
    return np.asarray(255 - page if rng.random() < 0.5 else page, dtype=np.uint8)


def _shapes(rng: np.random.Generator) -> NDArray[np.uint8]:
    out = np.full((CACHE_SIZE, CACHE_SIZE), int(rng.integers(0, 160)), np.uint8)
    for _ in range(int(rng.integers(1, 14))):
        first, second = (tuple(int(v) for v in rng.integers(0, CACHE_SIZE, 2)) for _ in range(2))
        shade, fill = int(rng.integers(0, 256)), -1 if rng.random() < 0.6 else 2
        if rng.random() < 0.5:
            cv2.rectangle(out, first, second, shade, fill)
        else:
            cv2.ellipse(out, first, (int(rng.integers(5, 90)), int(rng.integers(5, 90))), 0, 0, 360, shade, fill)
    out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 4))), dtype=np.uint8)
    if rng.random() < 0.5:
        out = np.asarray((out + rng.normal(0, rng.uniform(2, 25), out.shape)).clip(0, 255), dtype=np.uint8)
    return out


def _clouds(rng: np.random.Generator) -> NDArray[np.uint8]:
    total = np.zeros((CACHE_SIZE, CACHE_SIZE), np.float32)
    for cells in (4, 9, 20, 45):
        grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        total += cv2.resize(grid, (CACHE_SIZE, CACHE_SIZE), interpolation=cv2.INTER_CUBIC) * float(rng.uniform(5, 45))
    return np.asarray((total + rng.uniform(40, 200)).clip(0, 255), dtype=np.uint8)


def _empty(rng: np.random.Generator) -> NDArray[np.uint8]:
    flat = np.full((CACHE_SIZE, CACHE_SIZE), int(rng.choice([0, 0, 0, 255, int(rng.integers(0, 256))])), np.float32)
    return np.asarray((flat + rng.normal(0, rng.uniform(0, 4), flat.shape)).clip(0, 255), dtype=np.uint8)


def _empty_sector(rng: np.random.Generator) -> NDArray[np.uint8]:
    speckle = rng.rayleigh(rng.uniform(3, 45), (CACHE_SIZE, CACHE_SIZE)).astype(np.float32)
    speckle = np.asarray(cv2.GaussianBlur(speckle, (0, 0), float(rng.uniform(0.6, 2.0))), dtype=np.float32)
    return np.asarray((speckle * _sector(rng)).clip(0, 255), dtype=np.uint8)
