"""Scan quality: learned, said in numbers and words, and told to who holds the probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Category, Quantity
from models.heads.quality import gray_statistics
from models.normalise import normalised
from models.readers.quality import guidance
from tests.models.asking import SMALL, code, settings_of, small_pictures
from tests.models.lessons import Pupil, read_all, same_alone_or_together, told
from trainer.losses_pictures import QualityTarget, quality_loss


def aspect(name: str, advice: str, **keys: object) -> dict[str, object]:
    return {"name": name, "advice": advice, "poor": code(f"poor {name}"), "fine": code(f"good {name}"), **keys}


ASPECTS = (aspect("gain", "turn the gain up"), aspect("contact", "more gel"))


def card(*aspects: dict[str, object], **keys: object):
    return settings_of("quality", aspects=list(aspects or ASPECTS), **keys)


def seen(score: float, *poor: float, frame: int = 1):
    """A frame with this score and these probabilities of being poor."""
    shares = np.array(poor, np.float32)
    return told({"score": np.float32(score), "poor": np.log(shares / (1 - shares))}, frame=frame)


def spoiled() -> tuple[np.ndarray, np.ndarray]:
    """Phantoms, some too dark, some without contact on the left; and what they lack, (10, 2)."""
    squares = small_pictures()[0].copy()
    lacks = np.array([[i // 2 % 2, i % 3 == 0] for i in range(10)], np.float32)
    for square, (dark, shadow) in zip(squares, lacks, strict=True):
        if dark:
            square[:] = square // 4
        if shadow:
            square[:, : SMALL // 3] = 0
    return squares, lacks


@pytest.fixture(scope="module")
def pupil() -> Pupil:
    squares, lacks = spoiled()
    poor = torch.from_numpy(lacks)
    poor[9, 0] = torch.nan  # nobody judged the gain of the last
    target = QualityTarget(score=1 - 0.4 * torch.from_numpy(lacks).nan_to_num(0).sum(1), poor=poor)
    pupil = Pupil(card())
    pupil.learn(squares, lambda answers: quality_loss(answers, target), steps=80, rate=3e-3)
    return pupil


def test_learned__ten_spoiled_phantoms__each_gets_its_score_and_words(pupil):
    squares, lacks = spoiled()
    for i, (dark, shadow) in enumerate(lacks[:9]):
        score, gain, contact = pupil.read(squares[i : i + 1])
        assert isinstance(score, Quantity)
        assert score.unit == "1"
        assert score.value == pytest.approx(1 - 0.4 * (dark + shadow), abs=0.15)
        assert gain.value.meaning == ("poor gain" if dark else "good gain")
        assert contact.value.meaning == ("poor contact" if shadow else "good contact")


def test_learned__picture_alone_or_among_others__same_quality(pupil):
    same_alone_or_together(pupil, spoiled()[0])


def test_live_view__spoiled_picture__advice_and_good_picture_none(pupil):
    squares, lacks = spoiled()
    raws = pupil.raws(squares)
    good, both = (next(i for i in range(9) if lacks[i].sum() == n) for n in (0, 2))
    assert guidance(raws[good], pupil.settings) is None
    assert "turn the gain up" in guidance(raws[both], pupil.settings)
    assert "more gel" in guidance(raws[both], pupil.settings)


def test_guidance__several_poor__poorest_first():
    assert guidance(seen(0.3, 0.6, 0.9).raw, card()) == "more gel (poor contact); turn the gain up (poor gain)"


def test_guidance__low_score_without_a_poor_aspect__says_the_numbers():
    assert guidance(seen(0.3, 0.1, 0.1).raw, card(least=0.5)) == "find a better view (scan quality 0.30 < 0.50)"
    assert guidance(seen(0.6, 0.1, 0.1).raw, card(least=0.5)) is None


def test_threshold_and_calibration__of_one_aspect__turn_its_word_only():
    strict = (aspect("gain", "up", threshold=0.3), aspect("contact", "more gel"))
    _, gain, contact = read_all(card(*strict), [seen(0.5, 0.4, 0.4)])
    assert (gain.value.meaning, gain.probability) == ("poor gain", pytest.approx(0.4, abs=1e-5))
    assert (contact.value.meaning, contact.probability) == ("good contact", pytest.approx(0.6, abs=1e-5))
    shifted = (aspect("gain", "up", shift=2.0), aspect("contact", "more gel"))
    _, gain, contact = read_all(card(*shifted, temperature=2.0), [seen(0.5, 0.4, 0.4)])
    odds = np.exp(np.log(0.4 / 0.6) / 2 + 2)
    assert (gain.value.meaning, gain.probability) == ("poor gain", pytest.approx(odds / (1 + odds), abs=1e-5))
    assert contact.value.meaning == "good contact"


def test_frames__mean_score__on_the_frame_nearest_to_it():
    frames = [seen(score, 0.5, p, frame=n) for n, (score, p) in enumerate([(0.9, 0.9), (0.5, 0.8), (0.3, 0.1)], 1)]
    score, _, contact = read_all(card(), frames)
    assert (score.value, score.frame) == (pytest.approx(0.5667, abs=1e-3), 2)
    assert isinstance(contact, Category)
    assert (contact.value.meaning, contact.frame) == ("poor contact", 1)


def test_gray_statistics__bright_top_on_black__levels_clipping_and_depth_in_full_scale():
    square = torch.zeros(1, 60, 60, dtype=torch.uint8)
    square[:, :20] = 255
    mean, spread, dark, clipped, steps, *bands = gray_statistics(normalised(square))[0].tolist()
    assert (mean, dark, clipped) == pytest.approx((1 / 3, 2 / 3, 1 / 3), abs=1e-4)
    assert spread == pytest.approx(np.sqrt(2) / 3, abs=1e-3)
    assert steps == pytest.approx(1 / 59, abs=1e-4)
    assert bands == pytest.approx([1, 0, 0, 0, 1, 1], abs=1e-4)


def test_no_aspects__score_alone():
    settings = settings_of("quality", aspects=[])
    (score,) = read_all(settings, [seen(0.7)])
    assert score.value == pytest.approx(0.7)
    assert Pupil(settings).raws(small_pictures()[0][:1])[0]["poor"].shape == (0,)


@pytest.mark.parametrize(
    ("aspects", "words"),
    [
        ((ASPECTS[0], ASPECTS[0]), "each aspect needs a name of its own: 'gain' comes twice"),
        ((aspect("scan quality", "x"),), "each aspect needs a name of its own: 'scan quality' comes twice"),
        (({**ASPECTS[0], "fine": code("poor gain")},), "each word for 'gain' needs a name of its own"),
        ((aspect("gain", ""),), "at least 1 character"),
    ],
)
def test_settings__inconsistent__refused_in_words(aspects, words):
    with pytest.raises(ValidationError, match=words):
        card(*aspects)
