"""Where a run left its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

PICTURES = Path(__file__).resolve().parents[1] / "artefacts" / "viewer"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the screenshots of the viewer are, when this run looked into it."""
    ran = [report for each in ("passed", "failed") for report in terminalreporter.getreports(each)]
    if any(report.nodeid.startswith("tests/viewer/") for report in ran) and PICTURES.is_dir():
        terminalreporter.write_line(f"screenshots of the viewer: {PICTURES}")
