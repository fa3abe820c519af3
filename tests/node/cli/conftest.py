from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from node.cli import app
from tests.peers.processes import free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a data folder of its own."""
    path = tmp_path / "echocare-node.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "node": {"data_dir": "var", "min_free_bytes": 0},
                "listener": {"dicom_port": free_port()},
                "http": {"port": free_port()},
                "models": {"device": "cpu", "threads": 1},
            }
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run `echocare-node` in this process."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])
