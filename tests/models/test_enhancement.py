"""Better pictures: learned from phantoms, laid on the frame's own pixels, and refused where they would harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import EnhancedImage, NoFinding
from models.packages.settings_enhancement import EnhancementSettings
from models.readers import reader_of
from models.readers.harm import harm
from tests.models.lessons import (
    EDGE,
    Pupil,
    nothing_to_conclude,
    pictures,
    read_all,
    same_alone_or_together,
    told,
    told_of,
)
from trainer.losses_enhancement import EnhancementTarget, enhancement_loss

LENIENT = {"gain": 0.0, "change": 0.2, "likeness": 0.2, "invented": 0.05}


def settings(**changes):
    gates = {**LENIENT, **{name: changes.pop(name) for name in LENIENT if name in changes}}
    return EnhancementSettings.model_validate({"name": "picture with less noise", "gates": gates, **changes})


def noisy(squares):
    noise = np.random.default_rng(7).normal(0, 25, squares.shape) * (squares > 4)
    return (squares + noise).clip(0, 255).astype(np.uint8)


def grays(squares):
    return torch.tensor(squares / 255.0, dtype=torch.float32)


@pytest.fixture(scope="module")
def taught():
    pupil = Pupil(settings())
    good = pictures()[0]
    given = noisy(good)
    truth = EnhancementTarget(given=grays(given), good=grays(good), inside=torch.ones(good.shape))
    pupil.learn(given, lambda answers: enhancement_loss(answers, truth), steps=35, rate=8e-3)
    return pupil


def test_enhancement__ten_noisy_phantoms_learned__each_comes_back_nearer_to_the_good_one(taught):
    good = pictures()[0]
    given = noisy(good)
    for raw, before, truth in zip(taught.raws(given), given, good, strict=True):
        (finding,) = taught.read(before[None])
        assert isinstance(finding, EnhancedImage)
        assert finding.pixels.dtype == np.uint8
        errors = [np.abs(p.astype(float) - truth).mean() for p in (before, finding.pixels)]
        gained = 1 - errors[1] / errors[0]
        assert gained > 0.25  # how much exactly depends on how a processor rounds
        assert float(raw["gain"]) == pytest.approx(gained, abs=0.15)


def test_enhancement__in_eval_mode__a_picture_does_not_depend_on_its_neighbours(taught):
    same_alone_or_together(taught, pictures()[0])


def test_enhancement__fresh_weights__change_nothing():
    raw = Pupil(settings()).raws(pictures()[0][:1])[0]
    assert not raw["residual"].any()


def answered(residual, gain=0.5):
    whole = np.full((EDGE, EDGE), residual, np.float32) if np.isscalar(residual) else residual.astype(np.float32)
    return {"residual": whole, "gain": np.float32(gain)}


def speckle(rows, columns, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(60, 190, (rows, columns), np.uint8)


def test_reader__large_colour_frame__keeps_size_detail_and_colour_outside_and_inside_the_view():
    gray = speckle(300, 400)
    pixels = np.stack([gray, gray // 2, gray // 3], axis=2)
    pixels[100, 200] = (255, 0, 40)  # a Doppler pixel without room either way
    seen = told_of(pixels, answered(12.0), view=(100, 50, 299, 249))
    (finding,) = read_all(settings(), [seen])
    assert finding.pixels.shape == pixels.shape
    change = finding.pixels.astype(int) - pixels
    assert not change[:50].any()
    assert not change[:, 300:].any()
    assert (change[60:90, 110:280] == 12).all()
    assert (change[100, 200] == 0).all()


def test_reader__change_of_one_half_of_the_square__lies_on_that_half_of_the_view():
    half = np.zeros((EDGE, EDGE))
    half[:, EDGE // 2 :] = 20
    pixels = speckle(200, 200)
    (finding,) = read_all(settings(), [told_of(pixels, answered(half))])
    change = finding.pixels.astype(int) - pixels
    assert (change[:, :95] == 0).all()
    assert (change[:, 105:] == 20).all()


def test_reader__source_frame__is_not_changed_itself():
    pixels = speckle(96, 96)
    kept = pixels.copy()
    read_all(settings(), [told_of(pixels, answered(9.0))])
    assert np.array_equal(pixels, kept)


def invention():
    """A bright disc in the left half, which is dark."""
    y, x = np.mgrid[0:EDGE, 0:EDGE]
    return 60.0 * ((x - 24) ** 2 + (y - 48) ** 2 < 144)


def half_dark():
    pixels = speckle(96, 96)
    pixels[:, :48] = 2
    return pixels


@pytest.mark.parametrize(
    ("pixels", "raw", "gates", "words"),
    [
        (speckle(96, 96), answered(5.0, gain=0.05), {"gain": 0.1}, "expected gain 0.05 < 0.10"),
        (speckle(96, 96), answered(5.0, gain=np.nan), {"gain": 0.1}, "little would be gained"),
        (speckle(96, 96), answered(40.0), {"change": 0.1}, "root mean square 0.157 > 0.100"),
        (speckle(96, 96), answered(speckle(96, 96, 2) - 125.0), {"likeness": 0.8}, "the structure changes"),
        (half_dark(), answered(invention()), {"invented": 0.02}, "something appears in"),
    ],
)
def test_reader__change_that_would_harm__picture_stays_and_the_reason_is_told(pixels, raw, gates, words):
    (finding,) = read_all(settings(**gates), [told_of(pixels, raw)])
    assert isinstance(finding, NoFinding)
    assert words in finding.reason
    assert finding.reason.startswith("the picture was left as it is")


def test_harm__noise_in_the_dark__is_no_structure():
    before = half_dark()
    after = before.copy()
    after[::6, :40:6] += 30
    assert harm(before, after).invented == 0


def test_harm__same_picture__none():
    done = harm(half_dark(), half_dark())
    assert (done.change, done.invented) == (0, 0)
    assert done.likeness == pytest.approx(1, abs=1e-4)
    black = np.zeros((40, 40), np.uint8)
    assert harm(black, black).likeness == 1


def test_reader__two_views_of_a_frame__one_picture_with_both():
    pixels = speckle(96, 200)
    views = [(0, 0, 95, 95), (104, 0, 199, 95)]
    seen = [told_of(pixels, answered(by), view=view) for by, view in zip((10.0, -10.0), views, strict=True)]
    (finding,) = read_all(settings(), seen)
    change = finding.pixels.astype(int) - pixels
    assert (change[:, 5:90] == 10).all()
    assert (change[:, 96:104] == 0).all()
    assert (change[:, 110:195] == -10).all()


def cine(*gains):
    return [told_of(speckle(96, 96, n), answered(5.0, gain), n) for n, gain in enumerate(gains, 1)]


def test_reader__cine_surest__the_frame_that_gains_most():
    (finding,) = read_all(settings(gain=0.1), cine(0.2, 0.05, 0.6, 0.4))
    assert isinstance(finding, EnhancedImage)
    assert finding.frame == 3


def test_reader__cine_each__good_frames_up_to_the_limit_and_a_word_on_the_others():
    *better, rest = read_all(settings(gain=0.1, frames="each", most_frames=2), cine(0.2, 0.05, 0.6, 0.4))
    assert [f.frame for f in better] == [1, 3]
    assert isinstance(rest, NoFinding)
    assert "in 2 of 4 pictures; in the first: little would be gained" in rest.reason


def test_reader__without_pixels__refuses_to_work():
    reader = reader_of(settings(), nothing_to_conclude)
    assert reader.wants_pixels
    seen = told(answered(5.0))
    with pytest.raises(ValueError, match="without its pixels"):
        reader.see(type(seen)(frame=1, square=seen.square, place=seen.place, raw=seen.raw))


def test_reader__out_of_scope__silent_with_the_score():
    (finding,) = read_all(settings(scope=0.5), [told_of(speckle(96, 96), {**answered(5.0), "scope": np.float32(0.1)})])
    assert isinstance(finding, NoFinding)
    assert "0.10 < 0.50" in finding.reason


def test_loss__picture_without_a_good_one__teaches_nothing_and_stays_finite():
    residual = torch.zeros(2, 32, 32, requires_grad=True)
    gain = torch.zeros(2, requires_grad=True)
    given = torch.rand(2, 32, 32)
    good = given.clone() + 0.1
    good[1] = float("nan")
    target = EnhancementTarget(given=given, good=good, inside=torch.ones(2, 32, 32))
    loss = enhancement_loss({"residual": residual, "gain": gain}, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert residual.grad[0].any()
    assert torch.isfinite(residual.grad).all()
    assert not residual.grad[1].any()
    assert gain.grad[1] == 0


def test_loss__black_margin__does_not_count():
    given = torch.rand(1, 32, 32)
    inside = torch.ones(1, 32, 32)
    inside[:, :8] = 0
    residual = torch.zeros(1, 32, 32)
    residual[:, :8] = 0.2
    target = EnhancementTarget(given=given, good=given, inside=inside)
    assert enhancement_loss({"residual": residual, "gain": torch.zeros(1)}, target).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": 0}, "greater than 0"),
        ({"likeness": 1.2}, "less than or equal to 1"),
        ({"frames": "all"}, "'each' or 'surest'"),
        ({"sharpen": True}, "Extra inputs"),
    ],
)
def test_settings__inconsistent__refused_with_the_fault(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)
