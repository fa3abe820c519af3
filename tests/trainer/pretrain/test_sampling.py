"""How often pictures are shown."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.trainer.pretrain.made import picture
from trainer.pretrain.sampling import chances, drawn


def of_organs(**counts: int):
    return [picture(0, organ) for organ, count in counts.items() for _ in range(count)]


def total(shown, chance, organ):
    return sum(p for picture, p in zip(shown, chance, strict=True) if picture.shown.organ == organ)


def test_chances__without_balance__all_pictures_alike():
    shown = of_organs(liver=30, heart=3)
    assert np.allclose(chances(shown, 1.0, 6.0), 1 / 33)


def test_chances__rare_organ__shown_more_often_than_its_share_and_common_ones_still_most():
    shown = of_organs(liver=900, spleen=100)
    chance = chances(shown, 0.5, 100.0)
    assert total(shown, chance, "spleen") == pytest.approx(0.25)
    assert chance.sum() == pytest.approx(1)


def test_chances__rare_device_of_an_organ__shown_more_often():
    shown = [picture(0, "liver", "common")] * 99 + [picture(0, "liver", "rare")]
    assert chances(shown, 0.0, 1000.0)[-1] == pytest.approx(0.5)


def test_chances__one_picture_of_an_organ__no_more_than_the_bound():
    shown = of_organs(liver=500, heart=499, spleen=1)
    chance = chances(shown, 0.0, 4.0)
    assert chance.max() == pytest.approx(4 / 1000)
    assert chance.sum() == pytest.approx(1)
    assert chance.min() > 0


def test_chances__bound_of_one__all_pictures_alike():
    assert np.allclose(chances(of_organs(liver=9, heart=1), 0.0, 1.0), 0.1)


def test_drawn__same_seed_and_step__same_pictures_each_once():
    chance = chances(of_organs(liver=20, heart=4), 0.0, 3.0)
    first = drawn(chance, 8, seed=3, step=5)
    assert first == drawn(chance, 8, seed=3, step=5)
    assert first != drawn(chance, 8, seed=3, step=6)
    assert len(set(first)) == 8


def test_drawn__over_many_steps__as_often_as_the_chances_say():
    shown = of_organs(liver=90, heart=10)
    chance = chances(shown, 0.0, 5.0)
    seen = Counter(shown[i].shown.organ for step in range(500) for i in drawn(chance, 4, 0, step))
    assert seen["heart"] / 2000 == pytest.approx(total(shown, chance, "heart"), abs=0.05)


def test_drawn__fewer_pictures_than_a_batch__some_twice():
    assert len(drawn(np.array([0.5, 0.5]), 5, 0, 0)) == 5
