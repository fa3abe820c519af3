"""From a finished training to packages with gates, calibration and measured figures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from integration.phantom import HeadTruth, fetal_head
from models.engine import Engine, FrameInput
from models.findings import Quantity
from models.packages.card import Card, Figure, SilenceFigure, card_text
from models.packages.package import CARD, load_package
from models.preprocess import gray
from trainer.bootstrap import interval
from trainer.calibrate import calibrated
from trainer.evaluate import Result, evaluate
from trainer.export import export
from trainer.silence import Silence, silences

PHANTOM_SEEDS = range(100)


def build(checkpoint: Path, task: str, data: Path, folder: Path) -> Card:
    """Write a task's package: weights, gates and calibration from validation pictures, figures from test pictures.

    Raises
    ------
    TrainerError
        The checkpoint or a data set cannot be read.
    """
    export(checkpoint, task, folder)
    rewrite(calibrated(load_package(folder), data), folder)
    return describe(folder, data)


def describe(folder: Path, data: Path) -> Card:
    """Measure a package on the test pictures and write the figures into its card."""
    package = load_package(folder)
    engine = Engine([package], device="cpu")
    task = package.identity.task
    found = [*evaluate(engine, task, data, "test"), *bonus(engine, task, data)]
    quiet = silences(engine, task, data)
    card = package.card.model_copy(
        update={
            "figures": tuple(_figure(result) for result in found),
            "silence": tuple(_silence(silence) for silence in quiet),
        }
    )
    return rewrite(card, folder)


def bonus(engine: Engine, task: str, data: Path) -> list[Result]:
    """Figures beyond the task's own cohort: phantoms of known size, and breasts of a site never seen."""
    if task == "fetal-head":
        return _phantom_heads(engine)
    if not (data / "busi" / "index.csv").is_file():
        return []
    return evaluate(engine, task, data, "test", cohort="busi")


def _phantom_heads(engine: Engine) -> list[Result]:
    shares = []
    for seed in PHANTOM_SEEDS:
        scene = fetal_head(seed)
        if not isinstance(scene.truth, HeadTruth):
            continue
        region = scene.regions[0]
        given = FrameInput(
            pixels=gray(scene.pixels),
            frame=1,
            view=(region.left, region.top, region.right, region.bottom),
            pixel_aspect=scene.mm_per_pixel[0] / scene.mm_per_pixel[1],
        )
        for finding in engine.run("fetal-head", [given]).findings:
            if isinstance(finding, Quantity) and finding.name == "head circumference":
                points = np.array(finding.points) * np.array([scene.mm_per_pixel[1], scene.mm_per_pixel[0]])
                found = cv2.arcLength(points.astype(np.float32)[:, None], True)
                shares.append(100 * (found - scene.truth.hc_mm) / scene.truth.hc_mm)
    name = f"phantom stills, seeds {PHANTOM_SEEDS.start} to {PHANTOM_SEEDS.stop - 1}"
    if not shares:
        return []
    each = [str(i) for i in range(len(shares))]
    worst = interval(np.abs(shares), each, lambda v: float(np.max(v)))
    mean = interval(np.abs(shares), each, lambda v: float(np.mean(v)))
    bias = interval(shares, each, lambda v: float(np.mean(v)))
    return [
        Result(name=f"head circumference, {what}", data=name, value=f.value, low=f.low, high=f.high, unit="%", n=f.n)
        for what, f in (("mean absolute error", mean), ("mean error", bias), ("largest error", worst))
    ]


def _figure(result: Result) -> Figure:
    return Figure(
        name=result.name,
        data=result.data,
        value=round(result.value, 4),
        low=None if result.low is None else round(result.low, 4),
        high=None if result.high is None else round(result.high, 4),
        unit=result.unit,
        n=result.n,
    )


def _silence(silence: Silence) -> SilenceFigure:
    return SilenceFigure(**asdict(silence))


def rewrite(card: Card, folder: Path) -> Card:
    """Write a package's card again."""
    (folder / CARD).write_text(card_text(card), encoding="utf-8")
    return card
