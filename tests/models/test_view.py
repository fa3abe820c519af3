"""Region and organ of a picture: learned, consistent, said as far as they are sure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Category, NoFinding
from models.readers.view import SeenView, seen_view, view_probabilities
from tests.models.asking import code, looks, settings_of, small_pictures, the_silence
from tests.models.lessons import Pupil, read_all, same_alone_or_together, told
from trainer.losses_pictures import ViewTarget, view_loss


def region(name: str, *organs: str) -> dict[str, object]:
    return {"name": name, "code": code(name), "organs": [{"name": o, "code": code(o)} for o in organs]}


TREE = (region("fetus", "fetal head"), region("thorax", "benign breast", "malignant breast"), region("neck", "thyroid"))


def card(*regions: dict[str, object], **keys: object):
    return settings_of("view", regions=list(regions or TREE), **keys)


def seen(regions: tuple[float, ...], organs: tuple[float, ...], **place: object):
    """A view with these probabilities of regions, and of organs given theirs."""
    logs = {"region": np.log(np.array(regions, np.float32)), "organ": np.log(np.array(organs, np.float32))}
    return told(logs, **place)


@pytest.fixture(scope="module")
def pupil() -> Pupil:
    pupil = Pupil(card())
    organs = looks()
    target = ViewTarget(regions=torch.where(organs == 0, 0, 1), organs=organs)
    pupil.learn(small_pictures()[0], lambda answers: view_loss(answers, target), steps=60, rate=3e-3)
    return pupil


def test_learned__ten_phantoms__each_gets_its_region_and_organ(pupil):
    squares, _ = small_pictures()
    words = ("fetal head", "benign breast", "malignant breast")
    for i, look in enumerate(looks().tolist()):
        where, what = pupil.read(squares[i : i + 1])
        assert where.value.meaning == ("thorax" if look else "fetus")
        assert what.value.meaning == words[look]
        assert where.probability > 0.7


def test_learned__picture_alone_or_among_others__same_view(pupil):
    same_alone_or_together(pupil, small_pictures()[0])


def test_spoken__any_temperatures__organs_of_a_region_add_up_to_the_region(pupil):
    settings = card(region_temperature=1.7, organ_temperature=0.6)
    raws = pupil.raws(small_pictures()[0])
    logs = np.stack([np.concatenate([raw["region"], raw["organ"]]) for raw in raws]).astype(np.float64)
    regions, organs = view_probabilities(logs, settings)
    assert regions.sum(1) == pytest.approx(np.ones(10))
    assert organs[:, 0] == pytest.approx(regions[:, 0])
    assert organs[:, 1:3].sum(1) == pytest.approx(regions[:, 1])
    assert organs[:, 3] == pytest.approx(regions[:, 2])


def test_organ_unsure__region_sure__region_is_said_and_the_organ_is_not():
    where, what = read_all(card(least_organ=0.6), [seen((0.05, 0.9, 0.05), (1, 0.54, 0.46, 1))])
    assert isinstance(where, Category)
    assert (where.value.meaning, where.probability) == ("thorax", pytest.approx(0.9, abs=1e-5))
    assert isinstance(what, NoFinding)
    assert what.name == "organ"
    assert what.reason == (
        "the answer is unsure (likeliest is benign breast in the region thorax, probability 0.49 < 0.60)"
    )


def test_region_unsure__nothing_is_said_of_an_organ():
    silence = the_silence(read_all(card(least_region=0.7), [seen((0.3, 0.6, 0.1), (1, 0.99, 0.01, 1))]))
    assert (silence.name, silence.confidence) == ("region", pytest.approx(0.6, abs=1e-5))


def test_organ__of_another_region_is_likelier_by_itself__the_organ_lies_in_the_region_said():
    where, what = read_all(card(), [seen((0.4, 0.45, 0.15), (1, 0.5, 0.5, 1))])
    assert where.value.meaning == "thorax"  # though "fetal head" with 0.40 is above each breast with 0.23
    assert what.value.meaning == "benign breast"
    assert what.probability == pytest.approx(0.225, abs=1e-5)


def test_routing__surest_view_of_a_job__in_the_words_of_the_card():
    settings = card(least_region=0.5, least_organ=0.3)
    left = seen((0.6, 0.2, 0.2), (1, 0.5, 0.5, 1), view=(0, 0, 47, 95))
    right = seen((0.05, 0.9, 0.05), (1, 0.2, 0.8, 1), view=(48, 0, 95, 95))
    both = seen_view(read_all(settings, [left, right]), settings)
    assert both == SeenView(region="thorax", organ="malignant breast", confidence=pytest.approx(0.72, abs=1e-5))
    unsure = seen((0.1, 0.55, 0.35), (1, 0.5, 0.5, 1))
    assert seen_view(read_all(settings, [unsure]), settings) == SeenView(
        region="thorax", confidence=pytest.approx(0.55, abs=1e-5)
    )
    nothing = seen((0.34, 0.33, 0.33), (1, 0.5, 0.5, 1))
    assert seen_view(read_all(settings, [nothing]), settings) == SeenView(region="", organ="", confidence=0.0)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ((region("neck", "a"), region("neck", "b")), "each region needs a name of its own: 'neck' comes twice"),
        ((region("neck", "a", "a"), region("thorax", "b")), "each organ of 'neck' needs a name of its own: 'a'"),
        ((region("neck", "a"), region("thorax")), "at least 1 item"),
        ((region("neck", "a"),), "at least 2 items"),
    ],
)
def test_settings__inconsistent_tree__refused_in_words(tree, words):
    with pytest.raises(ValidationError, match=words):
        card(*tree)


def test_settings__one_code_for_two_regions_or_one_name_for_both_questions__refused():
    same = {**region("thorax", "b"), "code": code("neck")}
    with pytest.raises(ValidationError, match="each region needs a code of its own"):
        card(region("neck", "a"), same)
    with pytest.raises(ValidationError, match="each question needs a name of its own: 'region'"):
        card(organ={"name": "region"})
