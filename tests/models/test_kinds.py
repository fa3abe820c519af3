"""What boxes, points, numbers, better pictures and reports have in common: packages, the engine, training, 16 bits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from models.engine import Engine
from models.findings import Box, Category, EnhancedImage, Landmarks, Quantity
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings
from tests.models import test_detection, test_enhancement, test_landmarks, test_regression, test_report
from tests.models.engine.made import frames, made
from tests.models.lessons import Pupil, pictures
from trainer.losses_detection import detection_loss
from trainer.losses_enhancement import EnhancementTarget, enhancement_loss
from trainer.losses_landmarks import LandmarksTarget, landmarks_loss
from trainer.losses_regression import RegressionTarget, regression_loss
from trainer.losses_report import statements_loss, words_given, words_loss


def _detection(head, answers, squares, masks):
    return detection_loss(answers, test_detection.target(masks), head.stride)


def _landmarks(head, answers, squares, masks):
    points = torch.rand(len(masks), 4, 2) * 90
    truth = LandmarksTarget(points=points, present=torch.ones(len(masks), 4))
    return landmarks_loss(answers, truth, head.stride, head.pairs)


def _regression(head, answers, squares, masks):
    truth = RegressionTarget(value=torch.tensor([50.0]))
    return regression_loss(head.pool(answers["embedding"][None]), truth, centre=40, scale=20)


def _enhancement(head, answers, squares, masks):
    good = test_enhancement.grays(squares)
    truth = EnhancementTarget(given=good + 0.1, good=good, inside=torch.ones(good.shape))
    return enhancement_loss(answers, truth)


def _report(head, answers, squares, masks):
    holds = test_report.truth_of(squares, masks)
    truth = test_report.target(holds, [test_report.written_of(n, row) for n, row in enumerate(holds)])
    words = head.writer(answers["cells"], truth.said, words_given(truth))
    return statements_loss(answers, truth, head.spans) + words_loss(words, truth)


def _lenient(settings):
    """The same with gates that fresh weights pass."""
    table = settings.model_dump(mode="json")
    match settings:
        case DetectionSettings():
            for one in table["classes"]:
                one["threshold"] = 1e-6
        case LandmarksSettings():
            table["confidence"] = 0.0
        case RegressionSettings():
            table |= {"least_frames": 1, "most_spread": 1e6, "plausible": (-1e6, 1e6)}
        case ReportSettings():
            for one in (answer for question in table["questions"] for answer in question["answers"]):
                one["threshold"] = 0.01
        case _:
            table["gates"] = {"gain": 0.0, "change": 1.0, "likeness": 0.0, "invented": 1.0}
    return type(settings).model_validate(table)


KINDS = {
    "detection": (test_detection.settings(), _detection, Box),
    "landmarks": (test_landmarks.settings(), _landmarks, Landmarks),
    "regression": (test_regression.settings(), _regression, Quantity),
    "enhancement": (test_enhancement.settings(), _enhancement, EnhancedImage),
    "report": (test_report.settings(), _report, Category),
}


@pytest.mark.parametrize("kind", KINDS)
def test_settings__as_json_and_back__the_same(kind):
    settings = KINDS[kind][0]
    assert type(settings).model_validate(json.loads(settings.model_dump_json())) == settings


@pytest.mark.parametrize("kind", KINDS)
def test_package__written_loaded_and_run_by_the_engine__says_something_of_its_kind(kind, tmp_path):
    settings, _, expected = KINDS[kind]
    table = {**_lenient(settings).model_dump(mode="json"), "scope": 0.0}
    findings = Engine(made(tmp_path, "task", settings=table), device="cpu").run("task", frames(3)).findings
    assert isinstance(findings[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_loss__some_steps__reach_every_weight_of_the_head(kind):
    settings, loss, _ = KINDS[kind]
    pupil = Pupil(settings)
    squares, masks = pictures(2)
    head = pupil.heads.head
    before = {name: value.detach().clone() for name, value in head.named_parameters()}
    pupil.learn(squares, lambda answers: loss(head, answers, squares, masks), steps=3)
    assert [n for n, value in head.named_parameters() if torch.equal(value, before[n])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_spoken__16_bits_and_another_size__finite_numbers_of_32_bits(kind):
    pupil = Pupil(KINDS[kind][0])
    pupil.encoder.to(torch.bfloat16)
    pupil.heads.to(torch.bfloat16).eval()
    image = torch.randn(2, 3, 64, 64, dtype=torch.bfloat16)
    with torch.inference_mode():
        spoken = pupil.heads.spoken(pupil.heads(image, pupil.encoder(image)))
        for value in spoken.values():
            assert value.dtype in (torch.float32, torch.int64)
            assert torch.isfinite(value).all()
        if kind == "regression":
            told = pupil.heads.head.conclude(spoken["embedding"].to(torch.bfloat16))
            assert {name: value.shape for name, value in told.items()} == {"value": (1,), "spread": (1,)}
        if kind == "report":
            gathered = torch.cat([spoken["cells"][:1], torch.ones(1, 6)], dim=1).to(torch.bfloat16)
            words = pupil.heads.head.conclude(gathered)["words"][0].tolist()
            assert sorted(test_report.GRAMMAR.stated(test_report.GRAMMAR.text_of(words))) == list(range(6))


@pytest.mark.parametrize("kind", KINDS)
def test_spoken__twice__the_same(kind):
    pupil = Pupil(KINDS[kind][0])
    first, second = (pupil.raws(pictures(2)[0])[0] for _ in range(2))
    for name in first:
        assert np.array_equal(first[name], second[name])


@pytest.mark.parametrize("kind", ["detection", "landmarks", "enhancement"])
def test_conclude__of_a_kind_that_says_nothing_of_frames_together__refused(kind):
    with pytest.raises(TypeError, match="says nothing of 3 frames"):
        Pupil(KINDS[kind][0]).heads.head.conclude(torch.zeros(3, 4))


def test_conclude__report_of_templates_or_of_two_pictures__refused():
    with pytest.raises(TypeError, match="worded by templates"):
        Pupil(test_report.settings(wording="template")).heads.head.conclude(torch.zeros(1, 6))
    head = Pupil(test_report.settings()).heads.head
    for gathered in (torch.ones(2, 128 + 6), torch.zeros(1, 128 + 6)):
        with pytest.raises(ValueError, match="one picture and at least one statement"):
            head.conclude(gathered)
