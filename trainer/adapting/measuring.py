"""How well a package does on pictures it never learned from, run as the node runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.engine import Engine, FrameInput
from models.frames import square_of
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    QualitySettings,
    SegmentationSettings,
    ViewSettings,
)
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings
from models.readers.scoping import scope_of
from trainer.adapting import (
    judging_answers,
    judging_boxes,
    judging_ejection,
    judging_grades,
    judging_masks,
    judging_numbers,
    judging_pictures,
    judging_points,
    judging_text,
)
from trainer.adapting.bindings import NoLesson
from trainer.adapting.case import Asked, Case
from trainer.evaluate import Result
from trainer.tasks.spec import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How one kind is judged."""

    case: Callable[[Asked, Any], Case]
    results: Callable[[Sequence[Case], Any, str], list[Result]]
    plots: Callable[[Sequence[Case], Any], list[str]] | None = None  # inline SVG


JUDGES: dict[type[Any], Judge] = {
    SegmentationSettings: Judge(
        case=judging_masks.segmentation_case, results=judging_ejection.results, plots=judging_ejection.plots
    ),
    RegressionSettings: Judge(
        case=judging_numbers.regression_case, results=judging_numbers.results, plots=judging_numbers.plots
    ),
    OutlineSettings: Judge(case=judging_masks.outline_case, results=judging_masks.outline_results),
    ClassificationSettings: Judge(case=judging_answers.classification_case, results=judging_answers.results),
    OrdinalSettings: Judge(case=judging_answers.ordinal_case, results=judging_grades.ordinal_results),
    ViewSettings: Judge(case=judging_answers.view_case, results=judging_answers.results),
    LandmarksSettings: Judge(case=judging_points.landmarks_case, results=judging_points.results),
    DetectionSettings: Judge(case=judging_boxes.detection_case, results=judging_boxes.results),
    EnhancementSettings: Judge(case=judging_pictures.enhancement_case, results=judging_pictures.enhancement_results),
    QualitySettings: Judge(case=judging_pictures.quality_case, results=judging_pictures.quality_results),
    ReportSettings: Judge(case=judging_text.report_case, results=judging_text.report_results),
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
    given = [
        FrameInput(pixels=picture, frame=number, view=(0, 0, picture.shape[1] - 1, picture.shape[0] - 1))
        for number, picture in enumerate(example.pictures, 1)
    ]
    size = engine.package(task).card.input.size
    squares, places = zip(*(square_of(each, size) for each in given), strict=True)
    raws = engine.look(task, squares)
    last = min(range(len(raws)), key=lambda number: scope_of(raws[number]))  # all must be in scope: that one decides
    return Asked(example=example, findings=engine.run(task, given).findings, raw=raws[last], place=places[last])


def cases_of(engine: Engine, task: str, examples: Sequence[Example]) -> list[Case]:
    """Ask a package of each example and judge what it says; raises as `ask` and `judge_of`."""
    settings = engine.package(task).card.settings
    judge = judge_of(settings)
    return [judge.case(ask(engine, task, example), settings) for example in examples]


def results_of(cases: Sequence[Case], settings: Settings, data: str) -> list[Result]:
    """The figures of judged cases, with 95 % bootstrap intervals by patient; raises as `judge_of`."""
    return judge_of(settings).results(cases, settings, data)


def plots_of(cases: Sequence[Case], settings: Settings) -> list[str]:
    """Plots of judged cases as inline SVG, where the kind has any; raises as `judge_of`."""
    plots = judge_of(settings).plots
    return [] if plots is None else plots(cases, settings)
