"""Fetal biometry as a report by TID 5000: its values, what it leaves out, and who can read it."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from integration.results import ResultOptions, write_results
from integration.results.sr.ages import HC_HADLOCK_1984
from models.findings import Quantity
from tests.integration.results.every_kind import NAMES
from tests.integration.results.sources import TASK, head_findings, lesion_findings, outline, request_of, write_source
from tests.integration.results.trees import every, texts


def paths(folder, source, findings, **changes):
    return {result.role: result.path for result in write_results(request_of(source, findings, **changes), folder)}


def lengths(findings):
    return {each.code.meaning: each for each in findings if isinstance(each, Quantity)}


def with_circumference(findings, value_mm):
    return tuple(
        replace(each, value=value_mm) if isinstance(each, Quantity) and each.name == "head circumference" else each
        for each in findings
    )


def ages(ds):
    return [
        int(item.MeasuredValueSequence[0].NumericValue)
        for item in every(ds)
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue == "18185-9"
    ]


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_report__read_by_highdicom_and_pydicom__equals_the_findings(tmp_path, frames):
    source = write_source(tmp_path / "source", frames=frames)
    findings = head_findings(source, frames=(frames,), best=frames)
    path = paths(tmp_path, source, findings)["SR-OB"]
    read = hd.sr.srread(path)
    assert read.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    numbers = {
        item.name.meaning: item
        for item in every(pydicom.dcmread(path))
        if item.ValueType == "NUM"
        for item in [hd.sr.NumContentItem.from_dataset(item)]
    }
    wanted = lengths(findings)
    assert set(numbers) == {*wanted, "Gestational Age"}
    for meaning, quantity in wanted.items():
        assert numbers[meaning].value == pytest.approx(quantity.value, abs=0.05)
        assert numbers[meaning].unit.value == "mm"
    age = round(7 * HC_HADLOCK_1984.weeks(float(numbers["Head Circumference"].value)))
    assert (numbers["Gestational Age"].value, numbers["Gestational Age"].unit.value) == (age, "d")
    (place,) = numbers["Head Circumference"].ContentSequence
    drawn = hd.sr.ScoordContentItem.from_dataset(place).value
    assert np.allclose(drawn, np.array([*outline(), outline()[0]]) + 0.5, atol=1e-3)


def test_report__of_a_length_without_scale__is_not_written(tmp_path):
    source = write_source(tmp_path / "source", regions=())
    written = paths(tmp_path, source, head_findings(source))
    assert "SR-OB" not in written and "SR-TEXT" in written  # which says why


def test_report__of_other_organs__is_not_written(tmp_path):
    source = write_source(tmp_path / "source")
    assert "SR-OB" not in paths(tmp_path, source, lesion_findings(source))


@pytest.mark.parametrize(("value_mm", "days"), [(89.0, []), (91.0, [99]), (357.0, [293]), (359.0, [])])
def test_age__beyond_the_equations_fetuses__is_withheld_with_the_reason(tmp_path, value_mm, days):
    source = write_source(tmp_path / "source")
    ds = pydicom.dcmread(paths(tmp_path, source, with_circumference(head_findings(source), value_mm))["SR-OB"])
    assert ages(ds) == days
    said = " ".join(texts(ds))
    assert (
        "no gestational age by head circumference, because HC, Hadlock 1984 was made from fetuses of 14 to 42 weeks"
        in said
    ) == (not days)
    assert ("gestational age by head circumference, " in said.replace("no gestational age", "")) == bool(days)


def test_summary__says_for_research_and_trial__as_the_options_and_the_card_do(tmp_path):
    source = write_source(tmp_path / "source")
    findings = head_findings(source)
    (tmp_path / "plain").mkdir()
    said = texts(pydicom.dcmread(paths(tmp_path, source, findings)["SR-OB"]))
    assert "research use only, not for diagnosis." in said and not any("trial" in words for words in said)
    trial = replace(TASK, trial="Dice 0.45")
    ds = pydicom.dcmread(
        paths(tmp_path / "plain", source, findings, task=trial, options=ResultOptions(research_use=False))["SR-OB"]
    )
    assert "a trial: nobody should rely on it: Dice 0.45." in texts(ds)
    assert "research use only, not for diagnosis." not in texts(ds)
    assert "a trial" in ds.SeriesDescription


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
@pytest.mark.parametrize("names", NAMES)
def test_report__in_every_character_set__is_valid_and_read_by_dcmtk(tmp_path, validate, dcmtk, frames, names):
    character_set, name = NAMES[names]
    source = write_source(
        tmp_path / "source", frames=frames, character_set=character_set, text={"PatientName": name, "PatientSex": "F"}
    )
    path = paths(tmp_path, source, head_findings(source))["SR-OB"]
    assert validate(path) == []
    assert str(pydicom.dcmread(path).PatientName) == name
    shown = dcmtk("dsrdump", "+Pl", path)
    assert 'Gestational Age")="' in shown and '(11932-1,LN,"HC, Hadlock 1984")' in shown
    page = tmp_path / "report.html"
    dcmtk("dsr2html", "+U8", path, page)
    assert "fetal head 1: head circumference 110.5 mm." in page.read_text()
    for part in name.split("=")[0].split("^"):  # the page has the first of a name's groups
        assert part in page.read_text()
