"""How well a package does on pictures it never learned from, run as the node runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.engine import Engine, FrameInput
from models.frames import square_of
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    SegmentationSettings,
    ViewSettings,
)
from trainer.adapting import judging_answers, judging_boxes, judging_grades, judging_masks, judging_points
from trainer.adapting.bindings import NoLesson
from trainer.adapting.case import Asked, Case
from trainer.evaluate import Result
from trainer.tasks.spec import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How one kind is judged."""

    case: Callable[[Asked, Any], Case]
    results: Callable[[Sequence[Case], Any, str], list[Result]]


JUDGES: dict[type[Any], Judge] = {
    SegmentationSettings: Judge(case=judging_masks.segmentation_case, results=judging_masks.segmentation_results),
    OutlineSettings: Judge(case=judging_masks.outline_case, results=judging_masks.outline_results),
    ClassificationSettings: Judge(case=judging_answers.classification_case, results=judging_answers.results),
    OrdinalSettings: Judge(case=judging_answers.ordinal_case, results=judging_grades.ordinal_results),
    ViewSettings: Judge(case=judging_answers.view_case, results=judging_answers.results),
    LandmarksSettings: Judge(case=judging_points.landmarks_case, results=judging_points.results),
    DetectionSettings: Judge(case=judging_boxes.detection_case, results=judging_boxes.results),
}


def judge_of(settings: Settings) -> Judge:
    """The judge for the settings of a card.

    Raises
    ------
    NoLesson
        There is none for this kind.
    """
    found = JUDGES.get(type(settings))
    if found is None:
        raise NoLesson(f"tasks of kind '{settings.kind}' cannot be measured here")
    return found


def ask(engine: Engine, task: str, example: Example) -> Asked:
    """What a package says of one example, before and after its gates.

    Raises
    ------
    EngineError, PackageError
        The package does not run.
    """
    height, width = example.picture.shape
    given = FrameInput(pixels=example.picture, frame=1, view=(0, 0, width - 1, height - 1))
    square, place = square_of(given, engine.package(task).card.input.size)
    (raw,) = engine.look(task, [square])
    return Asked(example=example, findings=engine.run(task, [given]).findings, raw=raw, place=place)


def cases_of(engine: Engine, task: str, examples: Sequence[Example]) -> list[Case]:
    """Ask a package of each example and judge what it says; raises as `ask` and `judge_of`."""
    settings = engine.package(task).card.settings
    judge = judge_of(settings)
    return [judge.case(ask(engine, task, example), settings) for example in examples]


def results_of(cases: Sequence[Case], settings: Settings, data: str) -> list[Result]:
    """The figures of judged cases, with 95 % bootstrap intervals by patient; raises as `judge_of`."""
    return judge_of(settings).results(cases, settings, data)
