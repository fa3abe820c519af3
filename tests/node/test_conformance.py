"""The conformance statement: current, and true of what the node does."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from integration.results import write_results
from node.cli import app
from node.config import Settings
from node.conformance import CREATED, conformance_markdown
from node.listener.sop_classes import DEFAULT, PERFORMED_STEP
from tests.data import REPOSITORY
from tests.integration.results.sources import head_findings, lesion_findings, request_of, write_source


def test_statement__in_docs__is_what_the_code_says() -> None:
    path = REPOSITORY / "docs" / "conformance.md"
    assert path.read_text(encoding="utf-8") == conformance_markdown(), (
        "run: .venv/bin/python -m node.conformance > docs/conformance.md"
    )


def test_statement__names_every_class_that_is_taken_by_its_name() -> None:
    rows = [row for row in conformance_markdown().splitlines() if row.startswith("| ")]
    told = {uid: row.split("|")[1].strip() for row in rows for uid in re.findall(r"`(1\.2\.840[0-9.]+)`", row)}
    assert set(told) >= DEFAULT
    assert not [name for uid, name in told.items() if uid == name], "a UID without a name"


def test_statement__of_a_node_without_a_service__does_not_offer_it(tmp_path: Path) -> None:
    config = tmp_path / "echocare-node.yaml"
    listener = "{mpps: false, storage_sop_classes: [1.2.840.10008.5.1.4.1.1.6.1]}"
    config.write_text(f"node: {{ae_title: WARD7}}\nlistener: {listener}\n")
    said = CliRunner().invoke(app, ["conformance", "--config", str(config)])
    assert said.exit_code == 0
    assert "`WARD7`" in said.stdout
    assert PERFORMED_STEP not in said.stdout
    assert "`1.2.840.10008.5.1.4.1.1.3.1`" not in said.stdout


def test_statement__names_every_class_that_results_are_of(tmp_path: Path) -> None:
    written = set()
    for frames in (1, 3):
        folder = tmp_path / str(frames)
        folder.mkdir()
        source = write_source(tmp_path / f"{frames}.dcm", frames=frames)
        findings = head_findings(source) + lesion_findings(source)
        written |= {str(result.sop_class_uid) for result in write_results(request_of(source, findings), folder)}
    assert written <= {uid for uid, _, _ in CREATED}
    assert Settings().node.ae_title in conformance_markdown()
