"""`echocare-train shards` and `echocare-train cohort` as their user meets them."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from tests.trainer.data.made import dicom_file, image_folder, noise
from trainer.cli import app


def told(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_shards__image_folder__counts_are_told_and_the_key_lies_beside(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1), "b": noise(2)}, licence={"a": "CC0 1.0"})
    result = told("shards", folder, "--out", tmp_path / "made")
    assert result.exit_code == 0, result.output
    assert "2 samples" in result.output
    assert "CC0 1.0" in result.output
    assert (tmp_path / "made.key").stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "made").glob("*.key"))
    assert json.loads((tmp_path / "made" / "manifest.json").read_text())["samples"] == 2


def test_shards__given_twice__second_run_reads_nothing_again(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1)})
    first = told("shards", folder, "--out", tmp_path / "made")
    before = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    second = told("shards", folder, "--out", tmp_path / "made")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == before


def test_shards__source_is_missing__one_line_and_status_one(tmp_path):
    result = told("shards", tmp_path / "none", "--out", tmp_path / "made")
    assert result.exit_code == 1
    assert "is no folder" in result.output
    assert "Traceback" not in result.output


def test_cohort__query__image_folder_and_the_query_kept(tmp_path):
    dicom_file(tmp_path / "in" / "a.dcm", BodyPartExamined="BREAST", StudyDate="20260301")
    words = ["cohort", "--archive", tmp_path / "in", "--out", tmp_path / "site", "--nothing-burned-in"]
    result = told(*words, "--organ", "breast", "--since", "2026-01-01")
    assert result.exit_code == 0, result.output
    assert "of 1 patients" in result.output
    kept = json.loads((tmp_path / "site" / "cohort.json").read_text())
    assert (kept["query"]["organ"], kept["query"]["since"]) == ("breast", "2026-01-01")


def test_cohort__organ_that_is_not_known__what_there_is_is_told(tmp_path):
    result = told("cohort", "--archive", tmp_path, "--out", tmp_path / "site", "--organ", "soul")
    assert result.exit_code == 1
    assert "thyroid" in result.output
