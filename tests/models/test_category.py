"""Closed sets of answers: learned, calibrated, averaged, withheld."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from models.findings import Category, Quantity
from tests.models.asking import code, looks, settings_of, small_pictures, the_category, the_silence
from tests.models.lessons import Pupil, read_all, same_alone_or_together, told
from trainer.losses_pictures import CategoryTarget, category_loss

WORDS = ("head", "benign", "malignant")


def card(*answers: dict[str, object], **keys: object):
    chosen = answers or tuple({"code": code(word)} for word in WORDS)
    return settings_of("classification", question={"name": "impression"}, answers=list(chosen), **keys)


def seen(*shares: float, frame: int = 1, view: tuple[int, int, int, int] = (0, 0, 95, 95), **scores: float):
    """A frame whose answers have these probabilities."""
    logs = np.log(np.array(shares, np.float32))
    raw = {"answer": logs, **{name: np.float32(score) for name, score in scores.items()}}
    return told(raw, frame=frame, view=view)


@pytest.fixture(scope="module")
def pupil() -> Pupil:
    pupil = Pupil(card())
    target = CategoryTarget(answers=looks())
    pupil.learn(small_pictures()[0], lambda answers: category_loss(answers, target), steps=60, rate=3e-3)
    return pupil


def test_learned__ten_phantoms__each_gets_its_answer_with_its_probability(pupil):
    squares, _ = small_pictures()
    for i, look in enumerate(looks().tolist()):
        answer = the_category(pupil.read(squares[i : i + 1]))
        assert answer.value.meaning == WORDS[look]
        assert answer.probability > 0.7


def test_learned__picture_alone_or_among_others__same_answer(pupil):
    same_alone_or_together(pupil, small_pictures()[0])


def test_spoken__untrained__probabilities_add_up_to_one():
    for raw in Pupil(card()).raws(small_pictures()[0][:2]):
        assert np.exp(raw["answer"]).sum() == pytest.approx(1, abs=1e-5)


def test_temperature__above_one__less_sure_of_the_same_answer():
    plain = the_category(read_all(card(), [seen(0.8, 0.1, 0.1)]))
    calm = the_category(read_all(card(temperature=2.0), [seen(0.8, 0.1, 0.1)]))
    assert plain.probability == pytest.approx(0.8)
    roots = np.sqrt([0.8, 0.1, 0.1])
    assert calm.value == plain.value
    assert calm.probability == pytest.approx(roots[0] / roots.sum())


def test_shift__of_a_rare_answer__turns_the_decision():
    answers = [{"code": code("benign")}, {"code": code("malignant"), "shift": 1.0}]
    answer = the_category(read_all(card(*answers), [seen(0.7, 0.3)]))
    assert answer.value.meaning == "malignant"
    assert answer.probability == pytest.approx(0.3 * np.e / (0.3 * np.e + 0.7))


def test_unsure__below_the_least_probability__says_so_with_the_numbers():
    silence = the_silence(read_all(card(least_probability=0.6), [seen(0.3, 0.5, 0.2)]))
    assert silence.reason == "the answer is unsure (likeliest is benign, probability 0.50 < 0.60)"
    assert silence.group == "impression 1"


def test_frames__averaged_in_log_odds__the_answer_names_the_frame_that_says_it_most():
    frames = [seen(0.9, 0.05, 0.05, frame=1), seen(0.2, 0.7, 0.1, frame=2), seen(0.6, 0.3, 0.1, frame=3)]
    answer = the_category(read_all(card(), frames))
    means = np.exp(np.mean(np.log([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]]), axis=0))
    assert answer.value.meaning == "head"
    assert answer.frame == 1
    assert answer.probability == pytest.approx(means[0] / means.sum(), abs=1e-5)


def test_frames__weighted_by_scope_and_quality__the_fit_ones_decide():
    frames = [seen(0.9, 0.1, scope=0.6, quality=0.1, frame=1), seen(0.2, 0.8, scope=0.9, quality=0.9, frame=2)]
    two = [{"code": code("benign")}, {"code": code("malignant")}]
    answer = the_category(read_all(card(*two, scope=0.5), frames))
    assert answer.value.meaning == "malignant"
    weights = np.array([0.06, 0.81])
    odds = np.average([np.log(9), np.log(0.25)], weights=weights)
    assert answer.probability == pytest.approx(1 / (1 + np.exp(odds)), abs=1e-5)


def test_out_of_scope__frame_does_not_count__all_frames_give_silence():
    out, fit = seen(0.98, 0.01, 0.01, scope=0.2, frame=1), seen(0.1, 0.8, 0.1, scope=0.9, frame=2)
    assert the_category(read_all(card(scope=0.5), [out, fit])).value.meaning == "benign"
    silence = the_silence(read_all(card(scope=0.5), [out]))
    assert "0.20 < 0.50" in silence.reason


def test_views__two_in_a_frame__an_answer_each():
    left = seen(0.9, 0.05, 0.05, view=(0, 0, 47, 95))
    right = seen(0.05, 0.9, 0.05, view=(48, 0, 95, 95))
    first, second = read_all(card(), [left, right])
    assert (first.group, first.value.meaning) == ("impression 1", "head")
    assert (second.group, second.value.meaning) == ("impression 2", "benign")


def test_probability__asked_for_on_the_card__said_in_per_cent_whatever_the_answer():
    cancer = {"name": "probability of cancer", "code": {"value": "111047", "scheme": "DCM", "meaning": "Probability"}}
    answers = [{"code": code("benign")}, {"code": code("malignant"), "probability": cancer}]
    answer, probability = read_all(card(*answers), [seen(0.8, 0.2)])
    assert isinstance(answer, Category)
    assert isinstance(probability, Quantity)
    assert (probability.name, probability.unit) == ("probability of cancer", "%")
    assert probability.value == pytest.approx(20)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([{"code": code("Benign")}, {"code": code("benign")}], "each answer needs a name of its own: 'benign'"),
        (
            [{"code": code("a")}, {"code": {**code("b"), "value": "a"}}],
            "each answer needs a code of its own: 'a 99test' comes twice",
        ),
        ([{"code": code("alone")}], "at least 2 items"),
    ],
)
def test_settings__inconsistent__refused_in_words(answers, words):
    with pytest.raises(ValidationError, match=words):
        card(*answers)


def test_settings__no_temperature__refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        card(temperature=0)
