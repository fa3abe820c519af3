"""Where the real ultrasound data lies, and a clear skip where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def real_data(name: str) -> Path:
    """The folder of one real data set; skips the test, saying so, where it is absent."""
    folder = Path(os.environ.get("ECHOCARE_DATA", REPOSITORY.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"real ultrasound data '{name}' is not here: set ECHOCARE_DATA to the folder that holds it")
    return folder
