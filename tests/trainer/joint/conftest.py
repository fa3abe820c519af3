"""Fewer made pictures and fewer bootstrap rounds: what they mean does not depend on how many there are."""

from __future__ import annotations

import pytest

from trainer import bootstrap
from trainer.adapting import pool, silence


@pytest.fixture(scope="package", autouse=True)
def little():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "ROUNDS", 100)
        patch.setattr(pool, "NONSENSE", {"train": (6, 31), "val": (6, 32), "test": (6, 33)})
        patch.setattr(silence, "PHANTOM_SEEDS", range(2))
        yield
