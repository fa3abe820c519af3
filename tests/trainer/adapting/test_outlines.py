"""What is told of an outline, what is measured beside a task's own pictures, and what closes its gates."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from models.findings import Quantity
from models.preprocess import letterbox
from tests.trainer.adapting import toy
from tests.trainer.adapting.judged import asked, marked
from trainer.adapting import further
from trainer.adapting.closing_masks import outline
from trainer.adapting.further import measured, painted_over, validation
from trainer.adapting.judging_masks import outline_case, outline_results
from trainer.adapting.negatives import false_marks
from trainer.data.graphics import draw_graphics, graphics_mask
from trainer.errors import LearnedTooLittle
from trainer.tasks import breast_lesion, fetal_head
from trainer.tasks.truths import Outlined

OTHER = "usgra_seg"
SETTINGS = toy.KINDS["outline"]
ELLIPSE = SETTINGS.model_copy(update={"measures": "ellipse", "question": None})
LENGTHS = {"head circumference": 60.0, "biparietal diameter": 18.0}


def disc(x: int = 48) -> np.ndarray:
    rows, columns = np.ogrid[:80, :96]
    return (columns - x) ** 2 + (rows - 40) ** 2 <= 18**2


def truth(**changes) -> Outlined:
    return Outlined(mask=255 * disc().astype(np.uint8), **changes)


def length(name: str, value: float) -> Quantity:
    return Quantity(name=name, group="blob 1", frame=1, value=value, unit="px")


def likely(mask: np.ndarray) -> np.ndarray:
    """What a network would have to say to draw a mask of the picture."""
    return letterbox(255 * mask.astype(np.uint8), toy.SIZE)[0] / 255


def told(cases, settings=SETTINGS) -> dict[str, float]:
    return {each.name: each.value for each in outline_results(cases, settings, "test")}


def test_outline__lengths_that_are_known__are_told_in_mm_with_sign_and_without():
    cases = []
    for patient, circumference in (("a", 128.0), ("b", 110.0)):
        said = (marked(disc()), length("head circumference", circumference), length("longest", 36.0))
        one = asked(truth(lengths_mm=LENGTHS), said, patient)
        cases.append(
            outline_case(dataclasses.replace(one, example=dataclasses.replace(one.example, mm_per_pixel=0.5)), ELLIPSE)
        )
    figures = told(cases, ELLIPSE)
    assert figures["head circumference, mean absolute error"] == pytest.approx((4 + 5) / 2)
    assert figures["head circumference, mean error"] == pytest.approx((4 - 5) / 2)
    assert not [name for name in figures if "longest" in name or "biparietal" in name]


def test_outline__lengths_without_a_scale__are_not_told():
    said = (marked(disc()), length("head circumference", 128.0))
    assert not [
        name for name in told([outline_case(asked(truth(lengths_mm=LENGTHS), said), ELLIPSE)]) if "error" in name
    ]


def test_outline__withheld_by_the_gates__is_told_beside_the_silence():
    kept_back = outline_case(asked(truth(), (), "a", mask=likely(disc())), SETTINGS)
    said = outline_case(asked(truth(), (marked(disc()),), "b"), SETTINGS)
    figures = told([kept_back, said])
    assert figures["blob Dice, silence counted as 0"] == pytest.approx(0.5)
    assert figures["blob Dice, silence counted as 0, median"] == pytest.approx(0.5)
    assert figures["blob Dice, where marked"] == pytest.approx(1.0)
    assert figures["blob Dice, said or withheld"] > 0.95


def test_outlined__moved__keeps_answer_and_lengths():
    moved = truth(yes=1.0, lengths_mm=LENGTHS).moved(np.array([[0.5, 0, 0], [0, 0.5, 0]]), 48)
    assert (moved.mask.shape, moved.yes, moved.lengths_mm) == ((48, 48), 1.0, LENGTHS)


def test_skull__index_with_and_without_lengths__has_those_that_are_there(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), truth().mask)
    row = {"mask": "m.png", "hc_mm": "170.5", "ellipse_short_axis_mm": ""}
    assert fetal_head.skull(tmp_path, "hc18", row).lengths_mm == {"head circumference": 170.5}
    assert fetal_head.skull(tmp_path, "hc18", {"mask": "m.png"}).lengths_mm == {}


@pytest.mark.parametrize(
    ("columns", "yes"),
    [({"pathology": "malignant"}, 1.0), ({"label": "benign"}, 0.0), ({}, np.nan), ({"pathology": ""}, np.nan)],
)
def test_lesion__by_whatever_column_tells__is_malignant_or_not(columns, yes, tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), truth().mask)
    assert breast_lesion.lesion(tmp_path, "busi", {"mask": "m.png", **columns}).yes == pytest.approx(yes, nan_ok=True)


def test_lesion__row_that_somebody_found_normal__is_not_for_the_task(tmp_path):
    assert breast_lesion.lesion(tmp_path, "busi", {"mask": "m.png", "label": "normal"}) is None


@pytest.fixture
def spec():
    return dataclasses.replace(toy.spec("outline"), painted=True, unseen=(OTHER, "busi"), normal=("big", "1"))


@pytest.fixture
def engine(monkeypatch):
    """An engine that draws every outline as it is."""

    def cases_of(engine, task, examples):
        return [
            outline_case(asked(each.truth, (marked(each.truth.mask > 127),), each.patient), SETTINGS)
            for each in examples
        ]

    monkeypatch.setattr(further, "cases_of", cases_of)
    return SimpleNamespace(package=lambda task: SimpleNamespace(card=SimpleNamespace(settings=SETTINGS)))


def test_measured__task_with_painted_pictures_and_other_sites__tells_each_and_leaves_out_what_is_not_there(
    spec, engine, tmp_path
):
    data = toy.make(toy.make(tmp_path), OTHER, {"test": 3})
    cases, results = measured(engine, spec, data, "test", spec.examples(data, "test"))
    assert len(cases) == toy.COUNTS["test"], "cases are those of the task's own pictures"
    counts = {each.data: each.n for each in results if each.name == "answered"}
    assert counts == {
        f"{toy.SET} test": 6,
        f"{toy.SET} test, burned-in marks painted over": 6,
        f"{OTHER} test": 3,
        f"{OTHER} test, burned-in marks painted over": 3,
    }


def test_measured__any_other_task__has_the_figures_of_its_own_pictures_alone(engine, tmp_path):
    data, task = toy.make(tmp_path), toy.spec("outline")
    _, results = measured(engine, task, data, "test", task.examples(data, "test"))
    assert {each.data for each in results} == {f"{toy.SET} test"}


def test_painted_over__picture_with_marks__has_fewer_and_says_so(tmp_path):
    (example, *_) = toy.spec("outline").examples(toy.make(tmp_path), "test")
    drawn = draw_graphics(cv2.GaussianBlur(example.picture, (0, 0), 2), np.random.default_rng(3))
    (clean,) = painted_over([dataclasses.replace(example, picture=drawn)])
    assert graphics_mask(clean.picture).sum() < graphics_mask(drawn).sum()
    assert clean.traits == {**example.traits, "burned-in marks": "painted over"}
    assert clean.truth is example.truth


def test_validation__of_a_painted_task__has_every_picture_twice(spec, tmp_path):
    data = toy.make(tmp_path)
    assert len(validation(spec, data)) == 2 * len(validation(toy.spec("outline"), data)) == 2 * toy.COUNTS["val"]


def test_closing__outlines_and_answers__fit_both_and_say_on_what_the_threshold_was_chosen():
    rng = np.random.default_rng(0)
    seen = [
        asked(
            truth(yes=float(i % 2)),
            (),
            f"{i}",
            traits={"burned-in marks": "painted over"} if i >= 20 else {},
            mask=likely(disc()),
            kind=np.float64(2 * (i % 2) - 1 + rng.normal()),
        )
        for i in range(40)
    ]
    closed = outline(SETTINGS, seen, [truth()])
    assert closed.gates.confidence > 0.5
    assert "sensitivity of at least 90% on the validation split, as it is and painted over (n = 40)" in (
        closed.question.threshold_from
    )
    assert "painted" not in outline(SETTINGS, seen[:20], [truth()]).question.threshold_from


@pytest.mark.parametrize("mask", [np.zeros((80, 96), bool), disc(70)])
def test_closing__no_validation_picture_outlined_well__refused_in_words(mask):
    with pytest.raises(LearnedTooLittle, match=r"none has its blob outlined with a Dice of 0\.6: train longer"):
        outline(SETTINGS, [asked(truth(yes=1.0), (), mask=likely(mask), kind=np.float64(0))], [truth()])


def test_closing__ellipse_that_is_off_by_a_fifth__is_not_well_outlined():
    with pytest.raises(LearnedTooLittle, match=r"Dice of 0\.9"):
        outline(ELLIPSE, [asked(truth(), (), mask=likely(disc(54)))], [truth()])


def test_false_marks__rows_of_another_site_that_somebody_found_normal__are_asked_of_all_splits(
    spec, monkeypatch, tmp_path
):
    data = toy.make(toy.make(tmp_path), OTHER)
    silent = SimpleNamespace(findings=())
    monkeypatch.setattr("trainer.adapting.negatives.look", lambda engine, task, picture: silent)
    counts = {each.data: each.n for each in false_marks(None, spec, data, "test", [])}
    assert counts[f"{OTHER}, 1; never learned from, so all splits"] == sum(toy.COUNTS.values()) // 2
