"""Tasks on pictures that were damaged on purpose: what is fed, learned, gated and told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.packages import verify
from tests.models.asking import code, settings_of
from tests.models.built import encoder_package
from tests.trainer.adapting import toy
from trainer.adapting.bindings import lesson_of
from trainer.adapting.closing_pictures import HIGHEST, MOST_WORSE, least_gain
from trainer.adapting.feed import view
from trainer.adapting.judging_pictures import grade_of, nearness, rank_correlation
from trainer.adapting.loop import Adaptation
from trainer.adapting.packing import pack
from trainer.adapting.pool import gather, kept
from trainer.data.degrade import KINDS, degraded
from trainer.tasks import SPECS
from trainer.tasks.damaged import DAMAGE, DamagedSpec, as_it_is
from trainer.tasks.spec import Variation
from trainer.tasks.truths import Clean, undamaged

SETTINGS = {
    "enhancement": SPECS["enhance"].settings,
    "quality": settings_of(
        "quality",
        scope=0.5,
        aspects=[
            {"name": kind, "poor": code(f"{kind}-poor"), "fine": code(f"{kind}-fine"), "advice": "mend it"}
            for kind in KINDS
        ],
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return toy.make(tmp_path_factory.mktemp("data"), counts={"train": 24, "val": 6, "test": 6})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_package(tmp_path_factory.mktemp("given"))


def spec(kind: str) -> DamagedSpec:
    plain = toy.spec("classification")
    given = {field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)}
    changed = {"settings": SETTINGS[kind], "truth": as_it_is, "variation": Variation(turn_deg=5.0, drawn=0.0)}
    return DamagedSpec(**{**given, **changed})


def packed(kind, data, encoder, folder, **changes):
    task = spec(kind)
    pool = gather(task, data, None, 0)
    pool = dataclasses.replace(pool, outsiders=pool.outsiders[:4])
    adaptation = Adaptation(dataclasses.replace(toy.PLAN, **changes), task, pool, encoder, folder / "state")
    for _ in adaptation.run():
        pass
    return pack(adaptation, encoder, data, folder / "packages" / "toy", "")


def figure(found, name):
    return next(result.value for result in found.results if result.name == name)


def test_examples__of_a_test_picture__are_undamaged_damaged_in_each_way_and_in_all(data):
    shown = spec("quality").examples(data, "test")
    assert len(shown) == 6 * 6
    mine = [each for each in shown if each.name.startswith(shown[0].name.split(",")[0])]
    assert [each.traits[DAMAGE] for each in mine] == ["none", *KINDS, "several"]
    for each in mine:
        assert isinstance(each.truth, Clean)
        assert (each.picture == degraded(each.truth.picture, each.truth.damage)).all()
    assert all((e.picture == e.truth.picture).all() for e in spec("quality").examples(data, "train"))


def test_view__of_a_clean_picture__shows_the_damaged_one_beside_the_one_it_should_be(data):
    shown = kept(spec("enhancement").examples(data, "train")[0])
    rng = np.random.default_rng(4)
    views = [view(shown, Variation(turn_deg=0.0, drawn=0.0), 64, rng) for _ in range(12)]
    for each in views:
        assert isinstance(each.truth, Clean)
        assert (each.square == each.truth.given).all()
        assert (each.truth.damage.worst == 0) == bool((each.truth.given == each.truth.picture).all())
    assert len({each.truth.damage.words for each in views}) > 2


def test_clean__moved__shrinks_as_letterboxing_does():
    from models.preprocess import letterbox

    picture = np.random.default_rng(1).integers(0, 256, (90, 120), dtype=np.uint8)
    square, box = letterbox(picture, 64)
    moved = undamaged(picture).moved(box.matrix(), 64)
    assert np.abs(moved.picture.astype(int) - square).max() <= 1
    assert (moved.inside > 0).sum() == 48 * 64


def test_enhancement__learned_on_blobs__comes_nearer_to_the_undamaged_and_refuses_what_would_be_worse(
    data, encoder, tmp_path
):
    found = packed("enhancement", data, encoder, tmp_path, epochs=4, least=64, views=6)
    assert verify(tmp_path / "packages" / "toy").card.figures
    assert figure(found, "PSNR after, all damage, without the gate") > figure(found, "PSNR before, all damage") + 0.5
    assert figure(found, "PSNR after, all damage") >= figure(found, "PSNR before, all damage")
    assert figure(found, "refused, of those that would be made worse") > 25


def test_quality__learned_on_blobs__ranks_damage_and_tells_grades(data, encoder, tmp_path):
    found = packed("quality", data, encoder, tmp_path, epochs=8, least=192, views=12)
    assert figure(found, "rank correlation of the score") > 0.15
    assert figure(found, "AUC of poor compression") > 0.75
    assert figure(found, "quality grade, within one") > figure(found, "quality grade, exact")
    assert 0 < found.package.card.settings.least < 1


@pytest.mark.parametrize("name", ["enhance", "quality"])
def test_task__of_damaged_pictures__says_on_its_card_that_the_damage_is_made(name):
    assert any("model of physics" in limit for limit in SPECS[name].limits)
    lesson_of(SPECS[name].settings)


def test_least_gain__lets_through_few_that_are_worse_and_nothing_where_all_are():
    gains = [0.9, 0.8, 0.7, 0.2, 0.1]
    assert 0.2 < least_gain(gains, [True, True, True, False, False]) < 0.7
    assert least_gain(gains, [True] * 5) < 0.1
    assert least_gain(gains, [False] * 5) == HIGHEST
    many = [True] * 100 + [False]
    assert least_gain(list(np.linspace(1, 0.5, 101)), many) < 0.5
    assert MOST_WORSE < 0.05


def test_nearness__of_pictures__as_worked_out_by_hand():
    picture = np.full((20, 20), 100, np.uint8)
    assert nearness(picture, picture + np.uint8(10)).psnr == pytest.approx(20 * np.log10(255 / 10))
    assert nearness(picture, picture).ssim == pytest.approx(1)
    assert nearness(picture, picture).psnr == float("inf")


def test_grades__of_severities__and_ranks_with_ties():
    assert [grade_of(s) for s in (0, 0.1, 1 / 3, 2 / 3, 0.9, 1)] == [0, 0, 1, 2, 3, 3]
    assert rank_correlation(np.array([[0.1, 1], [0.2, 2], [0.9, 3]])) == pytest.approx(1)
    assert rank_correlation(np.array([[3.0, 1], [2, 2], [2, 2], [1, 3]])) == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.array([[1.0, 1], [1, 2]])))
