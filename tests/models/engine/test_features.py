"""Maps that are kept for other tasks."""

from __future__ import annotations

import torch

from models.engine.features import FeatureCache


def maps(value: float) -> list[torch.Tensor]:
    return [torch.full((1, 4, 4, 4), value)]  # 256 bytes


def test_keep__over_the_limit__least_recently_used_goes():
    cache = FeatureCache(512)
    cache.keep("a", maps(1.0))
    cache.keep("b", maps(2.0))
    assert cache.get("a") is not None
    cache.keep("c", maps(3.0))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert (cache.hits, cache.misses) == (2, 1)


def test_keep__nothing_allowed__nothing_kept():
    cache = FeatureCache(0)
    cache.keep("a", maps(1.0))
    assert cache.get("a") is None


def test_clear__forgets_all_and_has_room_again():
    cache = FeatureCache(512)
    cache.keep("a", maps(1.0))
    cache.clear()
    cache.keep("b", maps(2.0))
    cache.keep("c", maps(2.0))
    assert cache.get("b") is not None
    assert cache.get("a") is None
