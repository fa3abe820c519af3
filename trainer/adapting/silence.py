"""How often a package answers pictures that it should not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom import Scene, breast_mass, fetal_head
from models.engine import Engine
from models.findings import NoFinding
from models.packages.card import Card, SilenceFigure
from models.packages.settings_regression import RegressionSettings
from models.preprocess import gray
from trainer.adapting.pool import OUTSIDERS, made, pictures_of
from trainer.evaluate import look
from trainer.tasks.sets import SAME_PICTURES, SETS
from trainer.tasks.spec import TaskSpec

ASKED_OF_A_SET = 30  # pictures that should not be answered
RESTRICTED = ("camus_4ch", "thyroid", "lung_pocus", "abdomen", "busi")  # sets that are not free for all use
PHANTOMS: dict[str, tuple[str, Callable[[int], Scene]]] = {  # by the set that shows the same organ
    "hc18": ("phantom heads", fetal_head),
    "bus_bra": ("phantom breasts", lambda seed: breast_mass(seed, malignant=seed % 2 == 1)),
}
PHANTOM_SEEDS = range(20)  # those that are learned from have seeds from 10000
PHOTOGRAPHS = ("astronaut", "camera", "coffee", "chelsea", "coins", "moon", "page", "rocket", "text", "clock", "cat")
LONGEST = 512  # px, of a photograph


def silences(engine: Engine, spec: TaskSpec, data: Path) -> list[SilenceFigure]:
    """How often a package answers test pictures of other sets, and pictures made here, that it should not answer.

    Parameters
    ----------
    engine
        With the package of the task; its card tells what it was shown in training.

    Raises
    ------
    EngineError, PackageError
        The package does not run.
    """
    known, learned_from = (*spec.data, *spec.kin), _learned_from(engine.package(spec.name).card)
    out = []
    for name in dict.fromkeys((*OUTSIDERS, *RESTRICTED)):
        if name not in known:
            words = "train split" if name in learned_from else "no"
            out.append(_count(engine, spec, f"{name} test", pictures_of(data / name, "test", ASKED_OF_A_SET), words))
    for shows, (name, scene) in PHANTOMS.items():
        if shows not in known:
            words = "other seeds" if name in learned_from else "no"
            out.append(_count(engine, spec, name, (_seen(scene(seed)) for seed in PHANTOM_SEEDS), words))
    out.append(_count(engine, spec, "photographs of scikit-image", _photographs(), "no"))
    out.append(_count(engine, spec, "noise, text, shapes, empty frames", made("test"), "other seeds"))
    return [each for each in out if each.n]


def _learned_from(card: Card) -> frozenset[str]:
    """Sets, and kinds of phantoms, that a card names as what was learned from."""
    named = {each.name for each in card.training.data}
    sets = {SAME_PICTURES.get(name, name) for name, words in SETS.items() if words.title in named}
    return frozenset(sets | {name for name, _ in PHANTOMS.values() if f"{name} of this repository" in named})


def _count(
    engine: Engine, spec: TaskSpec, name: str, pictures: Iterable[NDArray[np.uint8]], learned: str
) -> SilenceFigure:
    # a task that puts frames together keeps silent about fewer: that alone would prove nothing
    times = spec.settings.least_frames if isinstance(spec.settings, RegressionSettings) else 1
    said = [look(engine, spec.name, picture, times).findings for picture in pictures]
    answered = sum(not all(isinstance(finding, NoFinding) for finding in findings) for findings in said)
    return SilenceFigure(data=name, n=len(said), answered=answered, seen_in_training=learned)


def _seen(scene: Scene) -> NDArray[np.uint8]:
    """The part of a phantom's picture that shows tissue, gray."""
    region = scene.regions[0]
    return np.ascontiguousarray(gray(scene.pixels)[region.top : region.bottom + 1, region.left : region.right + 1])


def _photographs() -> Iterable[NDArray[np.uint8]]:
    """Those that need no download; none where scikit-image is not installed."""
    try:
        from skimage import data as pictures
    except ImportError:
        return
    for name in PHOTOGRAPHS:
        whole = np.asarray(getattr(pictures, name)())
        if whole.dtype == np.uint8:
            scale = min(1.0, LONGEST / max(whole.shape[:2]))
            yield gray(np.asarray(cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8))
