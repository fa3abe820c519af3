"""Ejection fraction and chambers as a report by TID 5300: values, method, what it leaves out, and who can read it."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from integration.dimse.simpler import obstacle, simpler_classes, stand_in
from integration.results import ObjectKind, ResultOptions, write_results
from models.findings import Code, NoFinding, Quantity
from tests.integration.results.every_kind import NAMES
from tests.integration.results.hearts import (
    EJECTION,
    LENGTH,
    VOLUME_CODES_4C,
    WIDTHS,
    WORDS,
    by_discs,
    chambers,
    estimated,
    volumes,
)
from tests.integration.results.sources import (
    COLUMNS,
    MM_PER_PIXEL,
    ROWS,
    TASK,
    head_findings,
    region,
    request_of,
    write_source,
)
from tests.integration.results.trees import every, texts
from tests.peers.processes import program

SIMPLIFIED, COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.72", "1.2.840.10008.5.1.4.1.1.88.33"
ZONE = {"TimezoneOffsetFromUTC": "+0100"}


def paths(folder, source, findings, **changes):
    return {result.role: result.path for result in write_results(request_of(source, findings, **changes), folder)}


def numbers(path):
    return [hd.sr.NumContentItem.from_dataset(item) for item in every(pydicom.dcmread(path)) if item.ValueType == "NUM"]


def modifiers(number):
    return {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.ConceptCodeSequence[0].CodeMeaning
        for item in number.ContentSequence
        if item.ValueType == "CODE"
    }


def test_report__by_discs__equals_the_findings_and_names_the_method(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    findings = (*chambers(source, frame=3), *by_discs())
    ventricle, atrium, fraction = numbers(paths(tmp_path, source, findings)["SR-ECHO"])
    areas = [each.value for each in findings if isinstance(each, Quantity) and each.name == "area"]
    assert [ventricle.value, atrium.value] == pytest.approx(areas, abs=0.05)
    assert {ventricle.unit.value, atrium.unit.value} == {"mm2"}
    assert modifiers(ventricle)["Finding Site"] == "Left ventricle"
    assert modifiers(atrium)["Finding Site"] == "Left atrium"
    assert ventricle.name.scheme_designator == "99ECHOCARE" and ventricle.name.value != atrium.name.value
    assert (fraction.value, fraction.unit.value, fraction.name.value) == (55.2, "%", "18043-0")
    assert modifiers(fraction) == {
        "Measurement Type": "Calculated",
        "Finding Site": "Left ventricle",
        "Finding Observation Type": "Hemodynamic Measurements",
        "Measured Property": "Cardiac ejection fraction",
        "Measurement Method": "Method of Disks, Single Plane",
    }


def test_report__of_an_estimate__names_no_method(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    (fraction,) = numbers(paths(tmp_path, source, estimated())["SR-ECHO"])
    assert fraction.value == 61.0 and "Measurement Method" not in modifiers(fraction)


def test_measurement_report__of_discs__names_the_method_too(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    ds = pydicom.dcmread(paths(tmp_path, source, by_discs())["SR-TEXT"])
    methods = [
        item.ConceptCodeSequence[0].CodeValue
        for item in every(ds)
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == "370129005"
    ]
    assert methods == ["125208"]


ML = [np.pi / 4 * LENGTH * width**2 * MM_PER_PIXEL**3 / 1000 for width in WIDTHS]


def test_report__volumes_by_discs__are_in_ml_with_their_phase_and_their_discs_on_their_frames(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    found = volumes(source)
    _, *both = numbers(paths(tmp_path, source, (*by_discs(), *found))["SR-ECHO"])
    assert [(each.name.value, each.unit.value) for each in both] == [("18026-5", "ml"), ("18148-7", "ml")]
    assert [each.value for each in both] == [round(value, 1) for value in ML]
    for number, phase, frame, finding in zip(both, ("End diastole", "End Systole"), (2, 4), found, strict=True):
        assert modifiers(number) == {
            "Measurement Type": "Calculated",
            "Finding Site": "Left ventricle",
            "Finding Observation Type": "Structure of the Finding Site",
            "Measured Property": "Volume",
            "Measurement Method": "Method of Disks, Single Plane",
            "Cardiac Cycle Point": phase,
        }
        (drawn,) = (item for item in number.ContentSequence if item.ValueType == "SCOORD")
        points = np.array(drawn.GraphicData).reshape(-1, 2) - 0.5
        assert points == pytest.approx(np.array([*finding.points, finding.points[0]]), abs=1e-3)
        assert drawn.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber == frame


def test_report__volumes_of_a_named_view__are_core_measurements_without_words(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    both = numbers(paths(tmp_path, source, volumes(source, coded=VOLUME_CODES_4C))["SR-ECHO"])
    assert [each.name.value for each in both] == ["79999-9", "80004-5"]
    assert [[item.ValueType for item in each.ContentSequence] for each in both] == [["TEXT", "SCOORD"]] * 2


@pytest.mark.parametrize(
    "regions",
    [(), (region(0, 0, COLUMNS - 1, ROWS // 2), region(0, ROWS // 2 + 1, COLUMNS - 1, ROWS - 1))],
    ids=["none", "through the cavity"],
)
def test_report__without_one_scale__has_no_volumes_and_the_words_say_why(tmp_path, regions):
    source = write_source(tmp_path / "source", frames=5, regions=regions)
    written = paths(tmp_path, source, (*chambers(source), *by_discs(), *volumes(source)))
    assert [number.name.value for number in numbers(written["SR-ECHO"])] == ["18043-0"]
    said = texts(pydicom.dcmread(written["SR-TEXT"]))
    assert any("end-diastolic volume: no finding, because the" in text for text in said)
    assert not any(" ml" in text or "pixels³" in text for text in said)


def test_results__with_volumes__say_them_everywhere_alike(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    everything = ResultOptions(objects=tuple(ObjectKind))
    written = paths(tmp_path, source, (*by_discs(), *volumes(source)), options=everything)
    words = [f"{value:.1f} ml" for value in ML]
    assert {"SR", "SR-TEXT", "SR-ECHO", "SC", "PR", "KOS", "PDF"} == set(written)
    for role in ("SR-TEXT", "SR-ECHO", "KOS"):
        assert all(any(word in text for text in texts(pydicom.dcmread(written[role]))) for word in words), role
    drawn = hd.sr.srread(written["SR"]).content.get_planar_roi_measurement_groups()
    measured = [(each.value, each.unit.value) for group in drawn for each in group.get_measurements()]
    assert [each for each in measured if each[1] == "ml"] == [(round(value, 1), "ml") for value in ML]
    notes = str(pydicom.dcmread(written["PR"]))
    assert all(word in notes for word in words)
    (tmp_path / "report.pdf").write_bytes(pydicom.dcmread(written["PDF"]).EncapsulatedDocument)
    page = subprocess.run(
        [program("pdftotext", "poppler-utils"), "-layout", tmp_path / "report.pdf", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(word in page for word in words)


@pytest.mark.parametrize("findings", ["silent", "head"])
def test_report__where_nothing_of_the_heart_was_measured__is_not_written(tmp_path, findings):
    source = write_source(tmp_path / "source", frames=5)
    silent = (NoFinding(name="ejection fraction", group="heart", frame=1, code=EJECTION, reason="too few frames"),)
    assert "SR-ECHO" not in paths(tmp_path, source, silent if findings == "silent" else head_findings(source))


@pytest.mark.parametrize(
    ("patient", "written"),
    [
        ({"PatientAge": "017Y"}, False),
        ({"PatientAge": "011M"}, False),
        ({"PatientAge": "018Y"}, True),
        ({"PatientBirthDate": "20080103"}, False),  # the study is of 20260102
        ({"PatientBirthDate": "20080102"}, True),
        ({}, True),
    ],
)
def test_report__of_a_child__is_not_written_because_it_is_one_of_adults(tmp_path, patient, written):
    source = write_source(tmp_path / "source", text=patient)
    assert ("SR-ECHO" in paths(tmp_path, source, estimated())) == written


def test_words__say_for_research_trial_and_what_the_task_says(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    ds = pydicom.dcmread(paths(tmp_path, source, by_discs(), task=replace(TASK, trial="10.6 % off"))["SR-ECHO"])
    assert texts(ds)[-4:] == [
        "research use only, not for diagnosis.",
        "a trial: nobody should rely on it: 10.6 % off.",
        "ejection fraction 1: ejection fraction 55.2 %",
        WORDS,
    ]


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("zone", [True, False], ids=["zone", "no zone"])
def test_report__in_every_character_set__is_valid_and_read_by_dcmtk(tmp_path, validate, dcmtk, frames, names, zone):
    character_set, name = NAMES[names]
    text = {"PatientName": name, **(ZONE if zone else {})}
    source = write_source(tmp_path / "source", frames=frames, character_set=character_set, text=text)
    on_frames = {"diastole": 1, "systole": 1} if frames == 1 else {}
    path = paths(tmp_path, source, (*chambers(source), *estimated(), *volumes(source, **on_frames)))["SR-ECHO"]
    ds = pydicom.dcmread(path)
    assert ds.SOPClassUID == (SIMPLIFIED if zone else COMPREHENSIVE)
    assert ds.get("TimezoneOffsetFromUTC") == ("+0100" if zone else None)  # which the simplified IOD wants
    shown = dcmtk("dsrdump", "+Pl", path)
    assert 'Left Ventricular Ejection Fraction by US")="61.0" (%,UCUM,"Percent")' in shown
    page = tmp_path / "report.html"
    dcmtk("dsr2html", "+U8", path, page)
    assert "ejection fraction 61.0 %" in page.read_text() and name.split("^")[0] in page.read_text()
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = COMPREHENSIVE  # the validator knows no simplified one
    ds.save_as(tmp_path / "comprehensive.dcm")
    complaints = validate(tmp_path / "comprehensive.dcm")
    assert [line for line in complaints if "99ECHOCARE" not in line] == []


def test_report__for_a_peer_without_its_class__goes_as_comprehensive_sr(tmp_path, validate):
    source = write_source(tmp_path / "source", frames=5, text=ZONE)
    ds = pydicom.dcmread(paths(tmp_path, source, by_discs())["SR-ECHO"])
    simpler = simpler_classes(ds.SOPClassUID)[0]
    assert simpler == COMPREHENSIVE and obstacle(ds, simpler) is None
    other = stand_in(ds, simpler)
    other.file_meta.MediaStorageSOPClassUID = other.SOPClassUID
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    other.save_as(tmp_path / "simpler.dcm")
    assert validate(tmp_path / "simpler.dcm") == []


def test_report__of_a_site_s_own_code__is_not_taken_for_an_ejection_fraction(tmp_path):
    source = write_source(tmp_path / "source")
    other = Code(value="18043-0", scheme="99SITE", meaning="something else")
    assert "SR-ECHO" not in paths(tmp_path, source, estimated(code=other))
