"""The engine on one thread, loaded once."""

from __future__ import annotations

import pytest
import torch

from models.engine import Engine
from models.packages import discover


@pytest.fixture(scope="session")
def engine() -> Engine:
    torch.set_num_threads(1)
    packages, refusals = discover()
    assert refusals == ()
    return Engine(packages, device="cpu")
