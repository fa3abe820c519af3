"""Every object of every kind of source is valid, and keeps the patient."""

from __future__ import annotations

import pydicom
import pytest

from integration.results import UnreadableText, write_results
from tests.integration.results.every_kind import NAMES, findings_of, named_source
from tests.integration.results.sources import (
    no_finding,
    request_of,
    write_source,
)


def _results(source, folder, **changes):
    return write_results(request_of(source, findings_of(source), **changes), folder)


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
@pytest.mark.parametrize(
    ("kind", "regions", "names"),
    [
        ("RGB", "one", "latin-1"),
        ("PALETTE", "two", "japanese"),
        ("YBR", "none", "gb18030"),
        ("MONO", "one", "empty"),
        ("RGB", "two", "utf-8"),
    ],
)
def test_results__of_every_kind_of_source__are_valid_and_keep_the_name(
    tmp_path, validate, frames, kind, regions, names
):
    source = named_source(tmp_path / "source", frames=frames, kind=kind, regions=regions, names=names)
    results = _results(source, tmp_path)
    obstetric = [] if regions == "none" else ["SR-OB"]  # lengths need a scale
    key_frames = ["KOS"] if frames > 1 else []
    assert [result.role for result in results] == ["SEG", "SR", "SR-TEXT", *obstetric, "SC", *key_frames]
    for result in results:
        assert validate(result.path) == [], result.role
        ds = pydicom.dcmread(result.path)
        assert str(ds.PatientName) == NAMES[names][1]
        assert ds.SpecificCharacterSet == "ISO_IR 192"
        assert ds.SeriesDescription.endswith("not for diagnosis")
        assert (ds.StudyInstanceUID, ds.PatientID, ds.AccessionNumber) == ("2.25.222", "PHANTOM-0001", "A1")
    assert len({result.series_instance_uid for result in results}) == len(results)


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_results__without_viewer_compatibility_or_research_mark__are_valid(tmp_path, validate, frames):
    from integration.results import ResultOptions

    source = write_source(tmp_path / "source", frames=frames)
    results = _results(source, tmp_path, options=ResultOptions(ohif_compat=False, research_use=False))
    for result in results:
        assert validate(result.path) == [], result.role
        ds = pydicom.dcmread(result.path)
        assert "not for diagnosis" not in ds.SeriesDescription
        assert "ContentQualification" not in ds


def test_results__source_without_body_part_or_side__have_no_error(tmp_path, validate):
    source = write_source(tmp_path / "source", text={"BodyPartExamined": None})
    for result in _results(source, tmp_path):
        assert [line for line in validate(result.path) if line.startswith("Error")] == []


@pytest.mark.parametrize("keyword", ["ImageLaterality", "Laterality"])
def test_results__paired_part_with_side__say_the_side(tmp_path, validate, keyword):
    source = write_source(tmp_path / "source", text={"BodyPartExamined": "BREAST", keyword: "L"})
    results = _results(source, tmp_path)
    for result in results:
        assert validate(result.path) == [], result.role
    (region,) = pydicom.dcmread(results[0].path).SegmentSequence[0].AnatomicRegionSequence
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    report = pydicom.dcmread(results[1].path)
    sides = [
        item.ConceptCodeSequence[0].CodeMeaning
        for item in _items(report)
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == "272741003"
    ]
    assert set(sides) == {"Left"}


def test_results__source_lacks_attributes__stay_empty(tmp_path):
    gone = ("AccessionNumber", "StudyID", "StudyTime", "ReferringPhysicianName")
    source = write_source(tmp_path / "source", text=dict.fromkeys(gone))
    for result in _results(source, tmp_path):
        ds = pydicom.dcmread(result.path)
        for keyword in gone:
            assert keyword in ds and ds[keyword].is_empty


def test_results__many_patient_attributes__are_copied_value_for_value(tmp_path):
    inner = pydicom.Dataset()
    inner.PatientID, inner.IssuerOfPatientID = "77", "Klinik Süd"
    text = {
        "OtherPatientNames": ["Müller^Jörg", "Meier^Zoë"],
        "OtherPatientIDsSequence": [inner],
        "PatientComments": "Größe unbekannt \\ geschätzt",
        "PatientAge": "030Y",
        "StudyDescription": "Fötus",
        "TimezoneOffsetFromUTC": "+0530",
    }
    source = write_source(tmp_path / "source", character_set="ISO_IR 100", text=text)
    for result in _results(source, tmp_path):
        ds = pydicom.dcmread(result.path)
        assert list(map(str, ds.OtherPatientNames)) == text["OtherPatientNames"]
        assert ds.OtherPatientIDsSequence[0].IssuerOfPatientID == "Klinik Süd"
        assert ds.PatientComments == text["PatientComments"]
        assert (ds.PatientAge, ds.StudyDescription) == ("030Y", "Fötus")
        assert (ds.ContentDate, ds.ContentTime, ds.TimezoneOffsetFromUTC) == ("20261124", "140015", "+0530")


def test_results__name_not_in_its_declared_character_set__are_refused(tmp_path):
    source = write_source(tmp_path / "source", character_set="ISO_IR 100", text={"PatientName": "Müller^Jürgen"})
    raw = (tmp_path / "source").read_bytes().replace(b"ISO_IR 100", b"ISO_IR 192")
    (tmp_path / "source").write_bytes(raw)
    from integration.pixels import open_image

    source = open_image(tmp_path / "source")
    with pytest.warns(UserWarning, match="decode"), pytest.raises(UnreadableText) as refused:
        _results(source, tmp_path)
    assert "ller" not in str(refused.value)


def test_no_finding__report_says_why_and_nothing_else_is_written(tmp_path, validate, dcmtk):
    source = write_source(tmp_path / "source", frames=5)
    results = write_results(request_of(source, no_finding(2) + no_finding(4)), tmp_path)
    assert [result.role for result in results] == ["SR-TEXT"]
    assert validate(results[0].path) == []
    shown = dcmtk("dsrdump", "+Pl", results[0].path)
    assert (
        shown.count("fetal head: no finding, because not a fetal head (scope score 0.02 < 0.50)") == 2
    )  # in words, and in its group


def _items(ds):
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from _items(item)
