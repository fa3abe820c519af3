"""The engine on one thread, loaded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.engine import Engine
from models.packages import discover


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    torch.set_num_threads(1)
    packages, refusals = discover()
    assert refusals == ()
    with Engine(packages, device="cpu") as engine:
        yield engine
