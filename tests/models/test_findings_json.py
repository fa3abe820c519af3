"""The public JSON of findings."""

from __future__ import annotations

import json

import numpy as np

from models.findings import Category, Code, Mask, Measure, NoFinding, Quantity, from_rle
from models.findings_json import finding_to_json

HEAD = Code(value="69536005", scheme="SCT", meaning="Head")


def test_quantity__geometric__value_unit_points_and_no_absent_key():
    quantity = Quantity(
        name="biparietal diameter", group="fetal head 1", frame=2, value=10.0, unit="px", measure=Measure.LENGTH,
        points=((0.0, 1.0), (6.0, 9.0)), code=HEAD, confidence=0.75,
    )  # fmt: skip
    assert finding_to_json(quantity) == {
        "kind": "quantity",
        "name": "biparietal diameter",
        "group": "fetal head 1",
        "code": {"value": "69536005", "scheme": "SCT", "meaning": "Head"},
        "frame": 2,
        "confidence": 0.75,
        "value": 10.0,
        "unit": "px",
        "points": [[0.0, 1.0], [6.0, 9.0]],
    }


def test_quantity__volume__has_its_discs_as_a_polygon_on_its_frame():
    sides = ((5.0, 0.0), (3.0, 4.0), (5.0, 8.0), (7.0, 4.0))
    code = Code(value="18026-5", scheme="LN", meaning="Left Ventricular End Diastolic Volume")
    volume = Quantity(
        name="end-diastolic volume", group="ejection fraction 1", frame=3, value=118.2, unit="ml",
        measure=Measure.VOLUME, points=sides, code=code,
    )  # fmt: skip
    table = json.loads(json.dumps(finding_to_json(volume)))
    assert (table["value"], table["unit"], table["frame"], table["code"]["value"]) == (118.2, "ml", 3, "18026-5")
    assert table["points"] == [list(point) for point in sides]


def test_mask__runs__give_the_mask_again():
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2:5] = True
    finding = Mask(name="head", group="h", frame=1, category=HEAD, rows=5, columns=7, deflated=Mask.deflate(mask))
    table = json.loads(json.dumps(finding_to_json(finding)))
    assert np.array_equal(from_rle(table["mask_rle"], 5, 7), mask)


def test_category__answer_in_value__probability_in_confidence():
    malignant = Code(value="21594007", scheme="SCT", meaning="Malignant")
    table = finding_to_json(Category(name="impression", group="l", frame=1, value=malignant, probability=0.8))
    assert table == {
        "kind": "category",
        "name": "impression",
        "group": "l",
        "frame": 1,
        "confidence": 0.8,
        "value": "Malignant",
    }


def test_no_finding__snake_case_kind__reason():
    table = finding_to_json(NoFinding(name="fetal head", group="fetal head", frame=1, reason="because"))
    assert table == {"kind": "no_finding", "name": "fetal head", "group": "fetal head", "frame": 1, "reason": "because"}
