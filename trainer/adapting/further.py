"""What a task is measured on beside its own pictures: with marks painted over, of other sites, phantoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from integration.phantom import HeadTruth, Scene
from models.engine import Engine
from models.findings import Quantity
from models.frames import FrameInput
from models.preprocess import gray
from trainer.adapting.case import Case
from trainer.adapting.measuring import cases_of, results_of
from trainer.bootstrap import interval
from trainer.data.graphics import paint_over
from trainer.errors import MissingData
from trainer.evaluate import Result
from trainer.tasks.spec import MARKS, Example, TaskSpec

OVER = "painted over"  # value of the trait of pictures without marks
PHANTOM_SEEDS = range(100)  # those that are learned from have seeds from 10000
CIRCUMFERENCE = "head circumference"


def painted_over(examples: Sequence[Example]) -> list[Example]:
    """The same examples without calipers and text."""
    return [
        replace(
            example,
            picture=paint_over(example.picture),
            others=tuple(map(paint_over, example.others)),
            traits={**example.traits, MARKS: OVER},
        )
        for example in examples
    ]


def validation(spec: TaskSpec, data: Path) -> list[Example]:
    """What gates and thresholds are chosen on: the validation split, where the task wants it painted over as well.

    Raises
    ------
    MissingData
        The split is not there.
    """
    examples = spec.examples(data, "val")
    return examples + painted_over(examples) if spec.painted else examples


def measured(
    engine: Engine, spec: TaskSpec, data: Path, split: str, examples: Sequence[Example]
) -> tuple[list[Case], list[Result]]:
    """The cases of a split's examples, and the figures of these and of all else that the task is measured on.

    Parameters
    ----------
    engine
        With the package of the task.
    data
        Folder of the data sets; sites whose set is not there are left out.
    split
        Of the examples, and of the sets of other sites.

    Raises
    ------
    EngineError, PackageError
        The package does not run.
    """
    cases = cases_of(engine, spec.name, examples)
    own = data_words(spec, split)
    found = _results(engine, spec, cases, own)
    if spec.painted:
        found += _painted(engine, spec, examples, own)
    for name in spec.unseen:
        there = _of_site(spec, name, data, split)
        if there:
            found += _results(engine, spec, cases_of(engine, spec.name, there), f"{name} {split}")
            found += _painted(engine, spec, there, f"{name} {split}") if spec.painted else []
    if spec.phantoms is not None:
        found += _phantoms(engine, spec, [spec.phantoms(seed) for seed in PHANTOM_SEEDS])
    return cases, found


def data_words(spec: TaskSpec, split: str) -> str:
    """The pictures that figures are about."""
    return f"{', '.join(spec.data) if len(spec.data) < 4 else 'all sets'} {split}"


def _painted(engine: Engine, spec: TaskSpec, examples: Sequence[Example], words: str) -> list[Result]:
    return _results(engine, spec, cases_of(engine, spec.name, painted_over(examples)), f"{words}, {MARKS} {OVER}")


def _results(engine: Engine, spec: TaskSpec, cases: Sequence[Case], words: str) -> list[Result]:
    found = results_of(cases, engine.package(spec.name).card.settings, words)
    return [each for each in found if np.isfinite(each.value)]


def _of_site(spec: TaskSpec, name: str, data: Path, split: str) -> list[Example]:
    try:
        return spec.examples_of(name, data, split)
    except MissingData:
        return []


def _phantoms(engine: Engine, spec: TaskSpec, scenes: Sequence[Scene]) -> list[Result]:
    """How far the circumference of heads whose size is known is wrong, in % of it."""
    off = []
    for scene in scenes:
        region, truth = scene.regions[0], scene.truth
        view = (region.left, region.top, region.right, region.bottom)
        rows, columns = scene.mm_per_pixel
        given = FrameInput(pixels=gray(scene.pixels), frame=1, view=view, pixel_aspect=rows / columns)
        for finding in engine.run(spec.name, [given]).findings:
            if isinstance(finding, Quantity) and finding.name == CIRCUMFERENCE and isinstance(truth, HeadTruth):
                off.append(100 * (finding.value * columns / truth.hc_mm - 1))
    if not off:
        return []
    words = f"phantom stills, seeds {PHANTOM_SEEDS.start} to {PHANTOM_SEEDS.stop - 1}"
    each = [str(number) for number in range(len(off))]
    told = {
        "mean absolute error": interval(np.abs(off), each, lambda v: float(np.mean(v))),
        "mean error": interval(off, each, lambda v: float(np.mean(v))),
        "largest error": interval(np.abs(off), each, lambda v: float(np.max(v))),
    }
    return [
        Result(name=f"{CIRCUMFERENCE}, {what}", data=words, value=f.value, low=f.low, high=f.high, unit="%", n=f.n)
        for what, f in told.items()
    ]
