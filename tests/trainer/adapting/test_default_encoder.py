"""The encoder that adaptation starts from when none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.packages import BUNDLED
from models.packages.folders import PERMISSIVE
from trainer.adapting import running
from trainer.adapting.running import NoEncoder, encoder_for


def test_encoder__none_named__is_the_bundled_permissive_one() -> None:
    given = encoder_for(None)
    assert given.path.is_relative_to(BUNDLED / PERMISSIVE)
    assert given.use == "permissive"


def test_encoder__folder_removed__asks_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "DEFAULT_ENCODER", tmp_path / "echocare_tiny-4408b8096fbc")
    with pytest.raises(NoEncoder, match="--encoder"):
        encoder_for(None)
