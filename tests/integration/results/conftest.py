"""The validator, found beside the interpreter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def _executable(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def validate() -> Callable[[Path], list[str]]:
    """Errors and warnings of dciodvfy; its exit status says nothing (2026 builds return 1 on some warnings)."""
    tool = _executable("dciodvfy")

    def run(path: Path) -> list[str]:
        answer = subprocess.run([tool, str(path)], capture_output=True, timeout=60, check=False)
        lines = answer.stderr.decode(errors="replace").splitlines()
        assert lines, "dciodvfy said nothing"
        return [line for line in lines if line.startswith(("Error", "Warning"))]

    return run


@pytest.fixture
def dcmtk() -> Callable[..., str]:
    """Run a DCMTK tool that must succeed; its output."""

    def run(tool: str, *arguments: object) -> str:
        command = [_executable(tool), *map(str, arguments)]
        answer = subprocess.run(command, capture_output=True, timeout=60, check=False)
        output = (answer.stdout + answer.stderr).decode("utf-8", errors="replace")
        assert answer.returncode == 0, output
        return output

    return run
