"""`predict`: the JSON document is a public interface."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import Result

from integration.phantom import SampleStudy, fetal_head, sample_study
from models.findings import from_rle
from tests.peers import dciodvfy

Invoke = Callable[..., Result]
KEYS = {
    "kind", "name", "group", "code", "frame", "confidence", "value", "unit", "points", "box", "mask_rle", "reason",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleStudy:
    return sample_study(tmp_path_factory.mktemp("sample"))


def quantity(document: dict[str, Any], part: str) -> dict[str, Any]:
    findings: list[dict[str, Any]] = document["inputs"][0]["findings"]
    return next(each for each in findings if each["kind"] == "quantity" and part in each["name"].lower())


def test_predict__dicom__prints_one_document_of_the_schema_and_writes_valid_results(
    invoke: Invoke, config: Path, sample: SampleStudy, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = invoke("predict", "fetal-head", sample.files[0], "--json", "-o", out, "--config", config)
    document = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert set(document) == {"schema", "task", "package_digest", "inputs"}
    assert (document["schema"], document["task"]) == (1, "fetal-head")
    assert document["package_digest"].startswith("sha256:")
    (given,) = document["inputs"]
    assert set(given) == {"file", "sop_instance_uid", "frames", "findings"}
    assert given["sop_instance_uid"] == sample.instances[0].sop_instance_uid
    assert all(set(finding) <= KEYS for finding in given["findings"])
    assert quantity(document, "circumference")["unit"] == "mm"
    mask = next(each for each in given["findings"] if each["kind"] == "mask")
    assert from_rle(mask["mask_rle"], 600, 800).any()
    written = sorted(out.glob("*.dcm"))
    assert len(written) >= 3
    assert {path.name: dciodvfy.errors(path) for path in written} == {path.name: [] for path in written}


def test_predict__png__measures_in_mm_only_with_a_pixel_spacing(invoke: Invoke, config: Path, tmp_path: Path) -> None:
    scene = fetal_head(7)
    picture = tmp_path / "head.png"
    cv2.imwrite(str(picture), scene.pixels)
    row, column = scene.mm_per_pixel
    plain = json.loads(invoke("predict", "fetal-head", picture, "--json", "--config", config).stdout)
    scaled = json.loads(
        invoke("predict", "fetal-head", picture, "--pixel-spacing", row, column, "--json", "--config", config).stdout
    )
    assert quantity(plain, "circumference")["unit"] == "px"
    assert quantity(plain, "circumference")["reason"]
    assert "sop_instance_uid" not in plain["inputs"][0]
    assert quantity(scaled, "circumference")["unit"] == "mm"
    assert quantity(scaled, "circumference")["value"] == pytest.approx(
        quantity(plain, "circumference")["value"] * row, rel=0.01
    )


def test_predict__one_bad_file_among_others__tells_it_and_answers_for_the_rest(
    invoke: Invoke, config: Path, sample: SampleStudy, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no image at all")
    answer = invoke("predict", "fetal-head", bad, sample.files[0], "--json", "--config", config)
    first, second = json.loads(answer.stdout)["inputs"]
    assert answer.exit_code == 1
    assert [finding["kind"] for finding in first["findings"]] == ["error"]
    assert first["findings"][0]["reason"]
    assert "mask" in {finding["kind"] for finding in second["findings"]}


def test_predict__black_picture__gives_no_finding_with_a_reason(invoke: Invoke, config: Path, tmp_path: Path) -> None:
    picture = tmp_path / "black.png"
    cv2.imwrite(str(picture), np.zeros((300, 400), np.uint8))
    answer = invoke("predict", "breast-lesion", picture, "--json", "--config", config)
    (finding,) = json.loads(answer.stdout)["inputs"][0]["findings"]
    assert answer.exit_code == 0
    assert finding["kind"] == "no_finding"
    assert finding["reason"]


@pytest.mark.parametrize("words", [["no-such-task", "x.png"], ["fetal-head", "missing.png"]])
def test_predict__unknown_task_or_file__ends_with_two(invoke: Invoke, config: Path, words: list[str]) -> None:
    assert invoke("predict", *words, "--config", config).exit_code == 2
