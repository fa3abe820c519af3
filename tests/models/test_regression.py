"""Numbers from stills and clips: learned from phantoms, gathered over frames, and kept silent about."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Narrative, NoFinding, Quantity
from models.packages.settings_regression import RegressionSettings
from models.readers.sample import EvenSample
from tests.models.lessons import EDGE, Pupil, pictures, read_all, same_alone_or_together, told
from trainer.losses_regression import RegressionTarget, regression_loss, spread_factor

CODE = {"value": "70822001", "scheme": "SCT", "meaning": "Cardiac ejection fraction"}
FRAMES = 8


def settings(**changes):
    whole = {
        "name": "ejection fraction",
        "code": CODE,
        "unit": "%",
        "over": "frames",
        "least_frames": 4,
        "most_frames": FRAMES,
        "centre": 40.0,
        "scale": 20.0,
        "plausible": (5.0, 85.0),
        "most_spread": 8.0,
        "tolerance": 5.0,
    }
    return RegressionSettings.model_validate({**whole, **changes})


def still(**changes):
    return settings(over="frame", least_frames=1, **changes)


def beating(square, shrinks):
    """A clip whose picture shrinks by `shrinks` and comes back: (FRAMES, EDGE, EDGE)."""
    frames = []
    for turn in np.linspace(0, 2 * np.pi, FRAMES, endpoint=False):
        size = 1 - shrinks * (1 - np.cos(turn)) / 2
        shift = (1 - size) * EDGE / 2
        frames.append(cv2.warpAffine(square, np.array([[size, 0, shift], [0, size, shift]]), (EDGE, EDGE)))
    return np.stack(frames)


@pytest.fixture(scope="module")
def clips():
    shrinks = np.linspace(0.05, 0.5, 10)
    fractions = 100 * (1 - (1 - shrinks) ** 2)
    return [beating(square, by) for square, by in zip(pictures()[0], shrinks, strict=True)], fractions


@pytest.fixture(scope="module")
def taught(clips):
    frames, fractions = clips
    pupil = Pupil(settings())
    head = pupil.heads.head
    truth = RegressionTarget(value=torch.tensor(fractions))

    def loss(answers):
        numbers = head.pool(answers["embedding"].unflatten(0, (len(frames), FRAMES)))
        return regression_loss(numbers, truth, centre=40.0, scale=20.0)

    pupil.learn(np.concatenate(frames), loss, steps=400)
    return pupil


def test_regression__ten_clips_learned__ejection_fractions_found_again_with_their_intervals(taught, clips):
    for frames, fraction in zip(*clips, strict=True):
        quantity, half, words = taught.read(frames)
        assert isinstance(quantity, Quantity)
        assert quantity.value == pytest.approx(fraction, abs=3.0)
        assert (quantity.name, quantity.unit, quantity.code.value) == ("ejection fraction", "%", "70822001")
        assert abs(quantity.value - fraction) < max(half.value, 3.0)
        assert half.code.value == "371884006"
        assert isinstance(words, Narrative)


def test_regression__frames_in_another_order__same_number(taught, clips):
    frames = clips[0][4]
    assert taught.read(frames)[0].value == pytest.approx(taught.read(frames[::-1].copy())[0].value, abs=1e-3)


def test_regression__in_eval_mode__a_frame_does_not_depend_on_its_neighbours(taught):
    same_alone_or_together(taught, pictures()[0])


def test_regression__stills_learned__number_of_each_picture():
    squares, masks = pictures()
    shares = 100 * masks.mean((1, 2))
    pupil = Pupil(still(name="head in the picture", centre=20.0, scale=15.0, plausible=(0.5, 90.0)))
    truth = RegressionTarget(value=torch.tensor(shares))
    pupil.learn(squares, lambda a: regression_loss(a["number"], truth, centre=20.0, scale=15.0), steps=120)
    for square, share in zip(squares, shares, strict=True):
        quantity = pupil.read(square[None])[0]
        assert isinstance(quantity, Quantity)
        assert quantity.value == pytest.approx(share, abs=2.0)


def clip(count, frame_of=lambda n: n + 1):
    return [told({"embedding": np.full(4, n, np.float32)}, frame_of(n)) for n in range(count)]


def saying(value, spread, calls=None):
    def conclude(gathered):
        if calls is not None:
            calls.append(gathered)
        return {"value": np.float32(value), "spread": np.float32(spread)}

    return conclude


def test_reader__number_and_interval__are_coded_and_said_alike():
    quantity, half, words = read_all(settings(), clip(4), saying(55.04, 2.5))
    assert quantity.value == pytest.approx(55.04)
    assert half.value == pytest.approx(1.96 * 2.5)
    assert words.text == "ejection fraction 55.0 % (95 % interval 50.1 to 59.9 %)"
    assert quantity.confidence == pytest.approx(0.9545, abs=1e-3)  # within two spreads
    assert {f.group for f in (quantity, half, words)} == {"ejection fraction 1"}


@pytest.mark.parametrize(
    ("value", "spread", "words"),
    [
        (91.0, 2.0, "91.0 % is not within 5.0 % to 85.0 %"),
        (55.0, 8.5, "standard deviation 8.5 % > 8.0 %"),
        (float("nan"), 2.0, "is not within"),
        (55.0, float("nan"), "too unsure"),
    ],
)
def test_reader__implausible_or_unsure__silent_with_the_numbers(value, spread, words):
    (finding,) = read_all(settings(), clip(4), saying(value, spread))
    assert isinstance(finding, NoFinding)
    assert words in finding.reason


def test_reader__too_few_frames__silent_and_concludes_nothing():
    calls = []
    (finding,) = read_all(settings(), clip(3), saying(55, 2, calls))
    assert isinstance(finding, NoFinding)
    assert "only 3 frames can be used, 4 are needed" in finding.reason
    assert calls == []


def test_reader__frames_out_of_scope__are_not_gathered():
    frames = [told({**s.raw, "scope": np.float32(s.frame % 2)}, s.frame) for s in clip(8)]
    calls = []
    quantity, *_ = read_all(settings(scope=0.5), frames, saying(55, 2, calls))
    assert calls[0][:, 0].tolist() == [0, 2, 4, 6]
    assert quantity.frame == 1
    (finding,) = read_all(settings(scope=0.5), frames[1:2], saying(55, 2))
    assert "0.00 < 0.50" in finding.reason


def test_reader__long_cine__bounded_and_even():
    calls = []
    read_all(settings(), clip(1000), saying(55, 2, calls))
    (gathered,) = calls
    taken = gathered[:, 0]
    assert len(taken) == FRAMES
    assert taken[0] == 0
    assert taken[-1] > 850
    assert np.ptp(np.diff(taken)) <= 64


@pytest.mark.parametrize("length", [1, 5, 6, 7, 11, 12, 13, 100, 4097])
def test_even_sample__any_length__at_most_six_from_one_end_to_the_other(length):
    sample = EvenSample(6)
    for number in range(length):
        sample.add(number)
        assert len(sample._kept) < 12
    taken = sample.taken()
    assert sample.seen == length
    assert len(taken) == min(6, length)
    assert taken[0] == 0
    assert taken[-1] >= 0.8 * (length - 1)


def test_reader__stills__the_frame_with_the_least_spread_of_each_view():
    frames = [
        told({"value": np.float32(v), "spread": np.float32(s)}, n, size=(96, 192), view=view)
        for n, v, s, view in (
            (1, 50, 4, (0, 0, 95, 95)),
            (1, 30, 3, (96, 0, 191, 95)),
            (2, 60, 2, (0, 0, 95, 95)),
        )
    ]
    numbers = [f for f in read_all(still(), frames) if isinstance(f, Quantity) and f.name == "ejection fraction"]
    assert [(f.group, f.frame, f.value) for f in numbers] == [
        ("ejection fraction 1", 2, 60),
        ("ejection fraction 2", 1, 30),
    ]


def test_pool__frames_that_fill_up__do_not_count():
    head = Pupil(settings()).heads.head.eval()
    frames = torch.randn(2, 6, 96)
    there = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    with torch.no_grad():
        assert torch.allclose(head.pool(frames, there)[1], head.pool(frames[1:, :4])[0], atol=1e-5)


def test_loss__unknown_numbers__teach_nothing_and_stay_finite():
    numbers = torch.zeros(3, 2, requires_grad=True)
    value = torch.tensor([50.0, float("nan"), float("nan")])
    loss = regression_loss(numbers, RegressionTarget(value=value), centre=40, scale=20)
    loss.backward()
    assert torch.isfinite(loss)
    assert numbers.grad[0].any()
    assert not numbers.grad[1:].any()
    none = regression_loss(numbers, RegressionTarget(value=value[1:].repeat(2)[:3]), centre=40, scale=20)
    assert none.item() == 0


def test_spread_factor__errors_twice_as_wide_as_told__two():
    rng = np.random.default_rng(0)
    spread = rng.uniform(1, 3, 4000)
    truth = 2 * spread * rng.standard_normal(4000)
    assert spread_factor(np.zeros(4000), spread, truth) == pytest.approx(2, rel=0.05)
    with pytest.raises(ValueError, match="needs validation numbers"):
        spread_factor(np.zeros(0), np.zeros(0), np.zeros(0))


def test_spread_factor__on_the_card__widens_the_interval():
    narrow, wide = (Pupil(still(spread_factor=f)).raws(pictures()[0][:1])[0] for f in (1.0, 2.0))
    assert wide["spread"] == pytest.approx(2 * narrow["spread"], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "ml"}, "asks for the scale of the picture"),
        ({"plausible": (85, 5)}, "a least and a greater most"),
        ({"centre": 90}, "outside the plausible"),
        ({"least_frames": 9}, "least_frames 9 is more than most_frames 8"),
        ({"over": "frame"}, "least_frames is for numbers over frames"),
        ({"scale": 0}, "greater than 0"),
    ],
)
def test_settings__inconsistent__refused_with_the_fault(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)


def test_reader__more_frames_than_it_learned_to_put_together__silent_where_the_card_wants_it():
    pair = settings(least_frames=2, most_frames=2, more="refused")
    assert isinstance(read_all(pair, clip(2), saying(55, 2))[0], Quantity)
    calls = []
    (finding,) = read_all(pair, clip(5), saying(55, 2, calls))
    assert isinstance(finding, NoFinding)
    assert "5 frames are more than the 2" in finding.reason
    assert calls == []
