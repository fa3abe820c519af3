"""Results of a trial say so, in lists of series, in the report and in the picture."""

from __future__ import annotations

from dataclasses import replace

import pydicom

from integration.results import write_results
from tests.integration.results.sources import TASK, head_findings, lesion_findings, request_of, write_source

WHY = "Dice 0.45"


def by_role(folder, source, trial):
    folder.mkdir()
    findings = head_findings(source) + lesion_findings(source)
    request = replace(request_of(source, findings), task=replace(TASK, trial=trial))
    return {result.role: pydicom.dcmread(result.path) for result in write_results(request, folder)}


def texts(ds):
    if ds.get("ValueType") == "TEXT":
        yield ds.TextValue
    for item in ds.get("ContentSequence", ()):
        yield from texts(item)


def test_results__of_a_trial__say_so_in_every_place(tmp_path):
    source = write_source(tmp_path / "source")
    plain, trial = by_role(tmp_path / "plain", source, ""), by_role(tmp_path / "trial", source, WHY)
    assert set(trial) == {"SEG", "SR", "SR-TEXT", "SR-OB", "SC"}
    for role, ds in trial.items():
        assert "a trial" in ds.SeriesDescription, role  # what a viewer lists
        assert "a trial" not in plain[role].SeriesDescription, role
    for role in ("SR-TEXT", "SR-OB"):
        assert any("a trial" in text and WHY in text for text in texts(trial[role]))
        assert not any("a trial" in text for text in texts(plain[role]))
    assert trial["SC"].Rows > plain["SC"].Rows  # the legend below the frame has a line more
