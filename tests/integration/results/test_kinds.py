"""What readers of boxes, points, numbers and reports say becomes valid objects, in millimetres where that is proven."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from integration.pixels import in_physical_units
from integration.results import write_results
from models.findings import Box, Category, Landmarks, Narrative, Quantity
from tests.integration.results.sources import COLUMNS, MM_PER_PIXEL, ROWS, request_of, write_source
from tests.models import test_detection, test_landmarks, test_regression, test_report
from tests.models.lessons import read_all, told


def _said(kind):
    size = (ROWS, COLUMNS)
    match kind:
        case "detection":
            raw = test_detection.answered((0, 0.9, (20, 30, 60, 70)), (1, 0.8, (50, 40, 80, 60)))
            return read_all(test_detection.settings(), [told(raw, size=size)])
        case "landmarks":
            raw = test_landmarks.answered([(20, 40), (60, 40), (30, 30), (30, 60)], [0.9, 0.9, 0.9, 0.2])
            return read_all(test_landmarks.settings(), [told(raw, size=size)])
        case "regression":
            raw = {"value": np.float32(55), "spread": np.float32(2)}
            return read_all(test_regression.still(), [told(raw, size=size)])
        case _:
            raw = test_report.answered(left=0.5)
            return read_all(test_report.settings(wording="template"), [told(raw, size=size)])


KINDS = {
    "detection": {Box},
    "landmarks": {Landmarks, Quantity},
    "regression": {Quantity, Narrative},
    "report": {Category, Narrative},
}


@pytest.mark.parametrize("kind", KINDS)
def test_results__of_each_kind__are_valid(tmp_path, validate, kind):
    source = write_source(tmp_path / "source")
    findings = _said(kind)
    assert KINDS[kind] <= {type(finding) for finding in findings}
    results = write_results(request_of(source, findings), tmp_path)
    assert any(result.role.startswith("SR") for result in results)
    for result in results:
        faults = [line for line in validate(result.path) if "99TEST" not in line]  # the test's own coding scheme
        assert faults == [], result.role


def test_landmarks__between_sure_points__in_millimetres(tmp_path):
    source = write_source(tmp_path / "source")
    (length,) = [f for f in in_physical_units(_said("landmarks"), source.calibration) if isinstance(f, Quantity)]
    square_to_pixels = max(ROWS, COLUMNS) / 96
    assert length.unit == "mm"
    assert length.value == pytest.approx(40 * square_to_pixels * MM_PER_PIXEL, rel=1e-3)


def test_report__text_and_codes__are_in_the_sr(tmp_path):
    results = write_results(request_of(write_source(tmp_path / "source"), _said("report")), tmp_path)
    (report,) = [result for result in results if result.role == "SR-TEXT"]
    items = list(pydicom.dcmread(report.path).iterall())
    texts = [str(item.value) for item in items if item.keyword == "TextValue"]
    assert any("The picture shows a fetal head. It is large." in text for text in texts)
    assert any("place is unsure" in text for text in texts)
    assert "A HEAD" in [item.value for item in items if item.keyword == "CodeValue"]
