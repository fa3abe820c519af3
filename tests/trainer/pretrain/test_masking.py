"""Which patches are hidden."""

from __future__ import annotations

import numpy as np
import torch

from trainer.pretrain.masking import hide, hide_all

LEVELS = np.arange(36, dtype=np.float32).reshape(6, 6)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_hide__half__exactly_half_whatever_is_hard():
    for hardest in (0.0, 0.3, 1.0):
        assert hide(LEVELS, 0.5, hardest, rng()).sum() == 18


def test_hide__all_by_difficulty__the_hardest_are_hidden():
    assert (hide(LEVELS, 0.5, 1.0, rng()) == (LEVELS >= 18)).all()


def test_hide__half_by_difficulty__the_hardest_always_the_others_by_chance():
    found = [hide(LEVELS, 0.5, 0.5, rng(seed)) for seed in range(20)]
    assert all(hidden[LEVELS >= 27].all() for hidden in found)
    easy = np.mean([hidden[LEVELS < 27] for hidden in found], axis=0)
    assert easy.min() < 0.6
    assert easy.max() < 1


def test_hide__share_near_all__leaves_one_to_see():
    assert hide(LEVELS, 0.999, 0.5, rng()).sum() == 35


def test_hide_all__same_seeds__same_places():
    levels = torch.from_numpy(np.stack([LEVELS, LEVELS]))
    first = hide_all(levels, 0.4, 0.2, [[1], [2]])
    assert torch.equal(first, hide_all(levels, 0.4, 0.2, [[1], [2]]))
    assert not torch.equal(first[0], first[1])
