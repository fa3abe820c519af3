"""dciodvfy, the validator of dicom3tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.peers.ports import program


def errors(path: Path) -> list[str]:
    """The lines that begin with Error; its exit status says nothing (2026 builds return 1 on some warnings)."""
    answer = subprocess.run(
        [program("dciodvfy", "dicom3tools", from_python=True), str(path)], capture_output=True, timeout=120, check=False
    )
    lines = answer.stderr.decode(errors="replace").splitlines()
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]
