"""What holds for each of the picture kinds."""

from __future__ import annotations

import json

import pytest
import torch

from models.engine import Engine
from models.findings import Category, Mask, Quantity
from tests.models.asking import code, settings_of, small_pictures
from tests.models.engine.made import frames, made
from tests.models.lessons import Pupil, structure
from trainer.losses_pictures import (
    CategoryTarget,
    ClassMap,
    OrdinalTarget,
    QualityTarget,
    ViewTarget,
    category_loss,
    ordinal_loss,
    quality_loss,
    segmentation_loss,
    view_loss,
)

TWO, THREE = [{"code": code("a")}, {"code": code("b")}], [{"code": code(word)} for word in "abc"]
ORGANS = [
    {"name": "neck", "code": code("neck"), "organs": [{"name": "thyroid", "code": code("thyroid")}]},
    {
        "name": "thorax",
        "code": code("thorax"),
        "organs": [{"name": n, "code": code(n)} for n in ("breast", "lung", "heart")],
    },
]
ASPECT = {"name": "gain", "poor": code("poor"), "fine": code("fine"), "advice": "turn the gain up"}
LABEL = torch.tensor([0, 1])
QUALITY = QualityTarget(score=torch.tensor([0.2, 0.7]), poor=LABEL[:, None].float())
KINDS = {
    "segmentation": (
        settings_of("segmentation", name="wall", exclusive=True, structures=[{"structure": structure("a")}], scope=0.5),
        lambda answers: segmentation_loss(answers, ClassMap(classes=torch.ones(2, 64, 64, dtype=torch.long))),
    ),
    "classification": (
        settings_of("classification", question={"name": "impression"}, answers=TWO, scope=0.5),
        lambda answers: category_loss(answers, CategoryTarget(answers=LABEL)),
    ),
    "ordinal": (
        settings_of("ordinal", question={"name": "assessment"}, grades=THREE, scope=0.5),
        lambda answers: ordinal_loss(answers, OrdinalTarget(grades=LABEL)),
    ),
    "view": (
        settings_of("view", regions=ORGANS, scope=0.5),
        lambda answers: view_loss(answers, ViewTarget(regions=LABEL, organs=torch.tensor([0, 2]))),
    ),
    "quality": (
        settings_of("quality", aspects=[ASPECT], scope=0.5),
        lambda answers: quality_loss(answers, QUALITY),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_settings__as_json_and_back__the_same(kind):
    settings, _ = KINDS[kind]
    assert settings_of(**json.loads(settings.model_dump_json())) == settings


@pytest.mark.parametrize("kind", KINDS)
def test_settings__unknown_key__refused(kind):
    settings, _ = KINDS[kind]
    with pytest.raises(ValueError, match="Extra inputs"):
        settings_of(**settings.model_dump(), colour="red")


@pytest.mark.parametrize("kind", KINDS)
def test_package__written_loaded_and_run_by_the_engine__says_something_of_its_kind(kind, tmp_path):
    settings, _ = KINDS[kind]
    packages = made(tmp_path, "task", settings={**settings.model_dump(mode="json"), "scope": 0.0})
    findings = Engine(packages, device="cpu").run("task", frames(2)).findings
    expected = {"segmentation": Mask, "quality": Quantity}.get(kind, Category)
    assert isinstance(findings[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_loss__one_step__reaches_every_weight_of_the_head(kind):
    settings, loss = KINDS[kind]
    pupil = Pupil(settings)
    loss(pupil.heads(*pupil.maps(small_pictures()[0][:2]))).backward()
    untouched = [n for n, p in pupil.heads.head.named_parameters() if p.grad is None or not p.grad.any()]
    assert untouched == []


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16__weights_and_maps__answers_near_those_of_float32(kind):
    settings, _ = KINDS[kind]
    pupil = Pupil(settings)
    pupil.heads.eval()
    image, maps = pupil.maps(small_pictures()[0][:1])
    with torch.inference_mode():
        full = pupil.heads.spoken(pupil.heads(image, maps))
        pupil.heads.bfloat16()
        half = pupil.heads.spoken(pupil.heads(image.bfloat16(), [level.bfloat16() for level in maps]))
    for name, answer in half.items():
        assert answer.dtype is torch.float32
        torch.testing.assert_close(answer, full[name], atol=0.06, rtol=0.05)
