"""What the reports say, read by other software than wrote them."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
import pytest

from integration.results import derived_uid, write_results
from models.findings import Box, Landmarks, Measure, Quantity
from tests.integration.results.sources import (
    AXES,
    CENTRE,
    MM_PER_PIXEL,
    OFD,
    head_findings,
    lesion_findings,
    outline,
    request_of,
    write_source,
)


def _reports(tmp_path, source, findings, **changes):
    results = write_results(request_of(source, findings, **changes), tmp_path)
    return {result.role: result.path for result in results}


def _groups(path):
    report = hd.sr.srread(path).content
    return report.get_planar_roi_measurement_groups(), report.get_image_measurement_groups()


def _numbers(group):
    return {
        measurement.name.meaning: (measurement.value, measurement.unit.value)
        for measurement in group.get_measurements()
    }


def test_sr__cine__outline_is_closed_on_its_frame_half_a_pixel_on(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    regions, _ = _groups(_reports(tmp_path, source, head_findings(source, frames=(2, 3), best=3))["SR"])
    (head,) = regions
    region = head.roi
    assert region.graphic_type.value == "POLYLINE"
    closed = np.array([*outline(), outline()[0]], np.float32) + 0.5
    assert np.allclose(region.value, closed, atol=1e-3)
    reference = region.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedFrameNumber == 3
    assert reference.ReferencedSOPInstanceUID == source.header.SOPInstanceUID
    assert head.tracking_uid == derived_uid("0123456789abcdef" * 4, "TRACK", "fetal head 1")
    value, unit = _numbers(head)["Head Circumference"]
    a, b = AXES[0] * MM_PER_PIXEL, AXES[1] * MM_PER_PIXEL
    ramanujan = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    assert unit == "mm" and value == pytest.approx(ramanujan, rel=2e-3)
    assert _numbers(head)["Certainty of Finding"] == (93.0, "%")


def test_sr__still__calipers_are_lines_of_two_points_in_groups_of_their_own(tmp_path):
    source = write_source(tmp_path / "source")
    regions, calipers = _groups(_reports(tmp_path, source, head_findings(source))["SR"])
    assert [next(iter(_numbers(group))) for group in calipers] == ["Biparietal Diameter", "Occipital-Frontal Diameter"]
    assert _numbers(calipers[1])["Occipital-Frontal Diameter"] == (2 * AXES[0] * MM_PER_PIXEL, "mm")
    number = calipers[1].get_measurements()[0]
    (coordinates,) = number.referenced_coordinates
    (x, y), (a, _) = CENTRE, AXES
    assert np.allclose(coordinates.value, [[x - a + 0.5, y + 0.5], [x + a + 0.5, y + 0.5]])
    reference = coordinates.ContentSequence[0]
    assert reference.RelationshipType == "SELECTED FROM"
    assert "ReferencedFrameNumber" not in reference.ReferencedSOPSequence[0]
    uids = [group.tracking_uid for group in (*regions, *calipers)]
    assert len(set(uids)) == 3


def test_sr__no_scale__reports_pixels_and_why_in_both_reports(tmp_path, dcmtk):
    source = write_source(tmp_path / "source", regions=())
    reports = _reports(tmp_path, source, head_findings(source))
    _, calipers = _groups(reports["SR"])
    value, unit = _numbers(calipers[1])["Occipital-Frontal Diameter"]
    assert (value, unit) == (80.0, "{pixels}")
    for role in ("SR", "SR-TEXT"):
        shown = dcmtk("dsrdump", "+Pl", reports[role])
        assert "occipitofrontal diameter: no physical unit, because the image declares no" in shown
        assert '"mm"' not in shown and '"mm2"' not in shown


def test_sr_text__category__is_coded_with_its_probability_and_shown_as_text(tmp_path, dcmtk):
    source = write_source(tmp_path / "source", frames=5)
    reports = _reports(tmp_path, source, head_findings(source, frames=(3,), best=3) + lesion_findings(source, frame=3))
    ds = pydicom.dcmread(reports["SR-TEXT"])
    assert ds.ConceptNameCodeSequence[0].CodeValue == "25061-3"  # 126000 would be refused by OHIF: no coordinates
    shown = dcmtk("dsrdump", reports["SR-TEXT"])
    assert "Malignant" in shown and "71.4" in shown
    page = tmp_path / "report.html"
    dcmtk("dsr2html", "+U8", reports["SR-TEXT"], page)
    assert "Malignant" in page.read_text()
    assert "SCOORD" not in shown


def test_sr__both__have_the_flags_algorithm_and_evidence(tmp_path, dcmtk):
    source = write_source(tmp_path / "source")
    before = (
        ("1.2.840.10008.5.1.4.1.1.88.34", "2.25.9", "2.25.222", "2.25.8"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "2.25.7", "2.25.222", "2.25.6"),
    )
    reports = _reports(
        tmp_path, source, head_findings(source) + lesion_findings(source), predecessor=before, revision_number=2
    )
    for role in ("SR", "SR-TEXT"):
        ds = pydicom.dcmread(reports[role])
        assert (ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
        assert ds.ContentQualification == "RESEARCH"
        evidence = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
        assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.111"
        (earlier,) = ds.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
        assert [item.ReferencedSOPInstanceUID for item in earlier.ReferencedSOPSequence] == ["2.25.9"]
        equipment = ds.ContributingEquipmentSequence[0]
        assert "sha256:" + "ab" * 32 in equipment.ContributionDescription
        shown = dcmtk("dsrdump", "+Pl", reports[role])
        assert "package sha256:" + "ab" * 32 in shown and "Artificial Intelligence" in shown


def test_sr__box_landmarks_and_uncoded_names__are_valid_and_in_place(tmp_path, validate):
    source = write_source(tmp_path / "source")
    findings = (
        Box(name="box", group="thing 1", frame=1, left=10, top=20, right=30, bottom=40),
        Landmarks(name="points", group="thing 2", frame=1, points=((5.0, 6.0), (7.5, 8.0)), labels=("a", "b")),
        Quantity(
            name="wall thickness",
            group="thing 3",
            frame=1,
            value=3.0,
            unit="mm",
            measure=Measure.LENGTH,
            points=((1.0, 1.0), (7.0, 1.0)),
        ),
        Quantity(name="stretch", group="thing 3", frame=1, value=1.23456, unit="1"),
        Quantity(
            name="long axis",
            code=OFD,
            group="thing 4",
            frame=1,
            value=9.0,
            unit="px",
            measure=Measure.LENGTH,
            reason="it has no points",
        ),
    )
    reports = _reports(tmp_path, source, findings)
    complaints = [line for path in reports.values() for line in validate(path)]
    assert all("99ECHOCARE" in line for line in complaints)
    regions, calipers = _groups(reports["SR"])
    assert [group.roi.graphic_type.value for group in regions] == ["POLYLINE", "POINT", "POINT"]
    assert np.allclose(regions[2].roi.value, [[8.0, 8.5]])
    assert calipers[0].get_measurements()[0].name.scheme_designator == "99ECHOCARE"
    assert "CodingSchemeIdentificationSequence" in pydicom.dcmread(reports["SR"])


def test_sr__outlines_of_one_thing_on_two_frames__are_told_apart(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    findings = head_findings(source, frames=(2,), best=2) + head_findings(source, frames=(4,), best=4)
    regions, calipers = _groups(_reports(tmp_path, source, findings)["SR"])
    assert len({group.tracking_uid for group in (*regions, *calipers)}) == 6
