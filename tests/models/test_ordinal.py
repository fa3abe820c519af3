"""Grades in order: learned, decided, calibrated, withheld."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from models.readers.ordinal import grade_probabilities
from tests.models.asking import code, looks, settings_of, small_pictures, the_category, the_silence
from tests.models.lessons import Pupil, read_all, same_alone_or_together, told
from trainer.losses_pictures import OrdinalTarget, ordinal_loss

WORDS = ("0", "1", "2", "3")


def card(words: tuple[str, ...] = WORDS, **keys: object):
    return settings_of("ordinal", question={"name": "assessment"}, grades=[{"code": code(w)} for w in words], **keys)


def seen(*shares: float, frame: int = 1):
    """A frame whose grades have these probabilities."""
    above = 1 - np.cumsum(shares)[:-1]
    return told({"beyond": np.log(above / (1 - above)).astype(np.float32)}, frame=frame)


@pytest.fixture(scope="module")
def pupil() -> Pupil:
    pupil = Pupil(card(WORDS[:3]))
    target = OrdinalTarget(grades=looks())
    pupil.learn(small_pictures()[0], lambda answers: ordinal_loss(answers, target), steps=100, rate=8e-3)
    return pupil


def test_learned__ten_phantoms__each_gets_its_grade(pupil):
    squares, _ = small_pictures()
    said = [the_category(pupil.read(squares[i : i + 1])).value.meaning for i in range(10)]
    assert said == [WORDS[look] for look in looks().tolist()]


def test_learned__picture_alone_or_among_others__same_grade(pupil):
    same_alone_or_together(pupil, small_pictures()[0])


def test_any_weights__any_picture__no_grade_has_a_negative_probability():
    settings = card()
    pupil = Pupil(settings)
    pupil.heads.head.steps.data.fill_(-50.0)  # thresholds as near as they get
    for raw in pupil.raws(small_pictures()[0][:3]):
        likely = grade_probabilities(raw["beyond"].astype(np.float64), settings)
        assert (likely > 0).all()
        assert likely.sum() == pytest.approx(1)


def test_probabilities__of_the_cumulative_logits__are_those_they_were_made_from():
    answer = the_category(read_all(card(), [seen(0.1, 0.2, 0.6, 0.1)]))
    assert answer.value.meaning == "2"
    assert answer.probability == pytest.approx(0.6, abs=1e-5)


def test_decision__skewed_grades__likeliest_or_nearest_to_the_mean():
    shares = (0.41, 0.05, 0.15, 0.39)  # likeliest 0, mean rank 1.52
    assert the_category(read_all(card(), [seen(*shares)])).value.meaning == "0"
    expected = the_category(read_all(card(decision="expected"), [seen(*shares)]))
    assert expected.value.meaning == "2"
    assert expected.probability == pytest.approx(0.15, abs=1e-5)


def test_unsure__below_the_least_probability__says_so_with_the_numbers():
    silence = the_silence(read_all(card(least_probability=0.5), [seen(0.3, 0.3, 0.35, 0.05)]))
    assert silence.reason == "the answer is unsure (likeliest is 2, probability 0.35 < 0.50)"


def test_shift__upwards__grades_rise_and_temperature_spreads_them():
    frame = [seen(0.1, 0.7, 0.1, 0.1)]
    assert the_category(read_all(card(shift=3.0), frame)).value.meaning == "3"
    assert the_category(read_all(card(temperature=3.0), frame)).probability < 0.7


def test_frames__averaged__one_wild_frame_does_not_decide():
    frames = [
        seen(0.1, 0.8, 0.05, 0.05, frame=1),
        seen(0.1, 0.75, 0.1, 0.05, frame=2),
        seen(0.1, 0.1, 0.3, 0.5, frame=3),
    ]
    answer = the_category(read_all(card(), frames))
    assert (answer.value.meaning, answer.frame) == ("1", 1)


def test_settings__grade_twice__refused_in_words():
    with pytest.raises(ValidationError, match="each answer needs a name of its own: '2' comes twice"):
        card(("1", "2", "2"))
    with pytest.raises(ValidationError, match="likeliest"):
        card(decision="highest")
