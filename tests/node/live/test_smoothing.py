"""What is shown is steady, and never of another thing, another view or another time."""

from __future__ import annotations

from statistics import median

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.findings import Category, Code, Finding, Mask, Quantity
from node.live import Smoothing
from node.live.smoothing import Smoother
from tests.node.live.fakes import BENIGN, MALIGNANT, answered, length, nothing

VIEW = "view"


def shown(smoother: Smoother, given: list[Finding], at: float, view: str = VIEW) -> tuple[Finding, ...]:
    return smoother.smooth(given, at, view)


def lengths(smoother: Smoother, values: list[float], step_s: float = 0.1) -> list[float]:
    out = []
    for number, value in enumerate(values):
        (found,) = shown(smoother, [length(value)], number * step_s)
        assert isinstance(found, Quantity)
        out.append(found.value)
    return out


def answers(smoother: Smoother, given: list[Code], step_s: float = 0.1) -> list[Code]:
    out = []
    for number, value in enumerate(given):
        (found,) = shown(smoother, [answered(value)], number * step_s)
        assert isinstance(found, Category)
        out.append(found.value)
    return out


def test_quantity__one_outline_slipped__does_not_move_it() -> None:
    assert lengths(Smoother(Smoothing(window_s=1)), [100, 100, 100, 900, 100])[3:] == [100, 100]


def test_quantity__really_changed__follows_within_half_the_window() -> None:
    assert lengths(Smoother(Smoothing(window_s=0.6)), [100] * 7 + [200] * 5)[-1] == 200


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.floats(0.05, 2))
def test_quantity__any_values__is_the_median_of_those_in_the_window(values: list[float], window_s: float) -> None:
    out = lengths(Smoother(Smoothing(window_s=window_s)), values)
    for number in range(len(values)):
        inside = [v for k, v in enumerate(values[: number + 1]) if k * 0.1 >= number * 0.1 - window_s]
        assert out[number] == median(inside)


def test_smoothing__switched_off__every_frame_stands_alone() -> None:
    off = Smoothing(window_s=0)
    assert lengths(Smoother(off), [1, 5, 2]) == [1, 5, 2]
    assert answers(Smoother(off), [BENIGN, MALIGNANT, BENIGN]) == [BENIGN, MALIGNANT, BENIGN]


def test_quantity__other_view__starts_anew() -> None:
    smoother = Smoother(Smoothing(window_s=10))
    lengths(smoother, [100] * 5)
    (found,) = shown(smoother, [length(300)], 0.6, "another depth")
    assert isinstance(found, Quantity)
    assert found.value == 300


def test_quantity__thing_elsewhere_or_in_another_unit__starts_anew() -> None:
    for other in (length(300, at=(70, 50)), length(300, unit="mm")):
        smoother = Smoother(Smoothing(window_s=10))
        lengths(smoother, [100] * 5)
        (found,) = shown(smoother, [other], 0.6)
        assert isinstance(found, Quantity)
        assert found.value == 300


def test_quantity__not_found_for_some_frames__past_is_forgotten_and_silence_passes() -> None:
    smoother = Smoother(Smoothing(window_s=10, forget=3))
    lengths(smoother, [100] * 5)
    for number in range(3):
        assert shown(smoother, [nothing()], 0.5 + number / 10) == (nothing(),)
    (found,) = shown(smoother, [length(300)], 0.9)
    assert isinstance(found, Quantity)
    assert found.value == 300


def test_quantity__missed_in_one_frame__past_still_counts() -> None:
    smoother = Smoother(Smoothing(window_s=10, forget=3))
    lengths(smoother, [100] * 5)
    shown(smoother, [nothing()], 0.5)
    (found,) = shown(smoother, [length(300)], 0.6)
    assert isinstance(found, Quantity)
    assert found.value == 100


def test_category__flickering__stays_with_the_first_answer() -> None:
    given = [BENIGN, MALIGNANT, BENIGN, MALIGNANT, MALIGNANT, BENIGN]
    assert answers(Smoother(Smoothing(window_s=5, confirm=3)), given) == [BENIGN] * 6


def test_category__other_answer_given_often_enough__changes() -> None:
    given = [BENIGN, MALIGNANT, MALIGNANT, MALIGNANT, BENIGN]
    assert answers(Smoother(Smoothing(window_s=5, confirm=3)), given)[-2:] == [MALIGNANT, MALIGNANT]


def test_category__shown_answer_not_given_within_the_window__is_not_held() -> None:
    assert answers(Smoother(Smoothing(window_s=1, confirm=100)), [BENIGN, MALIGNANT], step_s=2)[-1] == MALIGNANT


def test_category__held_against_the_newest_frame__probability_is_that_of_the_shown_answer() -> None:
    smoother = Smoother(Smoothing(window_s=5, confirm=3))
    shown(smoother, [answered(BENIGN, 0.7)], 0.0)
    shown(smoother, [answered(BENIGN, 0.9)], 0.1)
    (found,) = shown(smoother, [answered(MALIGNANT, 0.6)], 0.2)
    assert isinstance(found, Category)
    assert found.value == BENIGN
    assert found.probability == 0.8


def test_category__without_probabilities__gets_none() -> None:
    smoother = Smoother(Smoothing())
    shown(smoother, [answered(BENIGN, None)], 0.0)
    (found,) = shown(smoother, [answered(MALIGNANT, None)], 0.1)
    assert isinstance(found, Category)
    assert (found.value, found.probability) == (BENIGN, None)


def test_mask__of_the_newest_frame__is_left_as_it_is() -> None:
    smoother = Smoother(Smoothing())
    mask = np.eye(4, dtype=bool)
    anatomy = Code(value="123037004", scheme="SCT", meaning="Anatomical Structure")
    for at in (0.0, 0.1):
        newest = Mask(
            name="head", group="head 1", frame=1, category=anatomy, rows=4, columns=4, deflated=Mask.deflate(mask)
        )
        assert shown(smoother, [newest], at) == (newest,)
