"""What validation pictures choose: from where on a task keeps silent, and which boxes are said."""

from __future__ import annotations

import numpy as np
import pytest

from models.packages.settings_detection import DetectionSettings
from tests.trainer.adapting import toy
from tests.trainer.adapting.judged import answer, asked, box, raw_boxes
from trainer.adapting.closing import PRECISE, WITHHELD, closed
from trainer.tasks.truths import Answer, Boxes

BOX = (10.0, 10.0, 30.0, 30.0)


def scored(scope: float):
    return asked(Answer(number=0), (answer(0),), scope=np.array(scope), answer=np.array([2.0, 0.0]))


@pytest.mark.parametrize(("lowest", "threshold"), [(0.82, 0.82), (0.1, 0.3), (0.97, 0.9)])
def test_scope__is_the_highest_that_all_but_few_own_pictures_reach_within_bounds(lowest, threshold):
    seen = [scored(lowest) for _ in range(5)] + [scored(0.99) for _ in range(95)]
    assert closed(toy.KINDS["classification"], seen).scope == pytest.approx(threshold, abs=0.001)


@pytest.mark.parametrize(("furthest", "limit"), [(1.2, 3.0), (2.0, 4.0)])
def test_unlike__is_well_beyond_all_but_few_own_pictures_and_never_close(furthest, limit):
    settings = toy.KINDS["classification"].model_copy(update={"unlike": 1e9})
    near = {"scope": np.array(0.9), "answer": np.array([2.0, 0.0])}
    seen = [
        asked(Answer(number=0), (answer(0),), unlike=np.array(distance), **near)
        for distance in [50.0] + [furthest] * 50 + [1.0] * 149
    ]
    assert closed(settings, seen).unlike == pytest.approx(limit, abs=0.01)


def boxes(*said: tuple[float, float]):
    """A picture with one true box, and boxes said with their left edges (10 is right) and scores."""
    settings = toy.KINDS["detection"]
    assert isinstance(settings, DetectionSettings)
    truth = Boxes(boxes=np.array([BOX]), classes=np.array([0]), labelled=np.ones(len(settings.classes), bool))
    found = tuple(box(left, sure) for left, sure in said)
    return asked(truth, found, scope=np.array(0.9), **raw_boxes(*found))


def threshold_of(seen) -> float:
    settings = closed(toy.KINDS["detection"], seen)
    assert isinstance(settings, DetectionSettings)
    return settings.classes[0].threshold


def test_boxes__right_above_a_score_and_wrong_below__are_said_from_there_on():
    seen = [boxes((10.0, 0.8)) for _ in range(6)] + [boxes((25.0, 0.4)) for _ in range(6)]
    assert 0.4 < threshold_of(seen) < 0.8


def test_boxes__wrong_however_sure__are_withheld():
    seen = [boxes((25.0, 0.9)) for _ in range(6)] + [boxes((10.0, 0.5)) for _ in range(4)]
    assert 4 / 10 < PRECISE
    assert threshold_of(seen) == WITHHELD
