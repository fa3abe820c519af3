"""The whole set of objects: valid for every source and character set, tied together, the same on every replay."""

from __future__ import annotations

from typing import get_args

import highdicom
import numpy as np
import pydicom
import pytest

from integration.results import ObjectKind, ResultOptions, SegmentationType, write_results
from integration.results.objects import kind_of
from integration.results.references import Reference
from models.findings import Mask
from node.config import ObjectKind as Configured
from node.config.sections import ResultRole, Results
from tests.integration.results.every_kind import NAMES, findings_of, named_source
from tests.integration.results.sources import (
    COLUMNS,
    ROWS,
    ellipse,
    head_findings,
    lesion_findings,
    no_finding,
    request_of,
    with_probabilities,
    write_source,
)

EVERYTHING = ResultOptions(objects=tuple(ObjectKind))
FRACTIONS = ResultOptions(objects=("SEG",), segmentation=SegmentationType.FRACTIONAL)
LABELS = ResultOptions(objects=("SEG",), segmentation=SegmentationType.LABELMAP)


def _roles(results):
    return [result.role for result in results]


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
@pytest.mark.parametrize(
    ("kind", "regions", "names"),
    [
        ("RGB", "one", "latin-1"),
        ("PALETTE", "two", "japanese"),
        ("YBR", "none", "gb18030"),
        ("MONO", "one", "utf-8"),
        ("MONO", "two", "empty"),
    ],
)
def test_everything__of_every_kind_of_source__is_valid_and_keeps_the_name(
    tmp_path, validate, frames, kind, regions, names
):
    source = named_source(tmp_path / "source", frames=frames, kind=kind, regions=regions, names=names)
    results = write_results(request_of(source, findings_of(source), options=EVERYTHING), tmp_path)
    assert {"SEG", "SR", "SR-TEXT", "SC", "PR", "PDF", "KOS"} <= set(_roles(results))
    for result in results:
        if result.role in ("PR", "PDF", "KOS"):
            assert validate(result.path) == [], result.role
        ds = pydicom.dcmread(result.path)
        assert (str(ds.PatientName), ds.SpecificCharacterSet) == (NAMES[names][1], "ISO_IR 192")
    assert len({result.series_instance_uid for result in results}) == len(results)


@pytest.mark.parametrize("side", ["ImageLaterality", "Laterality", None])
def test_everything__paired_part__has_no_error(tmp_path, validate, side):
    text = {"BodyPartExamined": "BREAST", **({} if side is None else {side: "L"})}
    source = write_source(tmp_path / "source", text=text)
    for result in write_results(request_of(source, findings_of(source), options=EVERYTHING), tmp_path):
        assert [line for line in validate(result.path) if line.startswith("Error")] == [], result.role
        if result.role == "PR" and side is not None:
            assert pydicom.dcmread(result.path).Laterality == "L"


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_everything__replayed_from_a_fresh_reading__gives_the_same_bytes(tmp_path, frames):
    written = []
    for run in ("one", "two"):
        source = write_source(tmp_path / f"source-{run}", frames=frames)
        (tmp_path / run).mkdir()
        results = write_results(request_of(source, findings_of(source), options=EVERYTHING), tmp_path / run)
        written.append({result.role: result.sha256 for result in results})
    assert written[0] == written[1]


def test_default__clip_gets_its_key_frames_and_still_none__no_state_and_no_pdf(tmp_path):
    still = write_source(tmp_path / "still")
    clip = write_source(tmp_path / "clip", frames=5)
    of_still = _roles(write_results(request_of(still, findings_of(still)), tmp_path))
    of_clip = _roles(write_results(request_of(clip, findings_of(clip)), tmp_path))
    assert {"SEG", "SR", "SR-TEXT", "SC"} <= set(of_still)
    assert of_clip == [*of_still, "KOS"]
    assert not {"PR", "PDF"} & set(of_clip)


def test_objects__those_that_are_asked_for__are_written_alone(tmp_path):
    source = write_source(tmp_path / "source")
    options = ResultOptions(objects=("SC", "PDF"))
    assert _roles(write_results(request_of(source, findings_of(source), options=options), tmp_path)) == ["SC", "PDF"]


@pytest.mark.parametrize("kind", ["SEG", "SC", "PR", "KOS"])
def test_objects__nothing_of_the_kind_to_write__report_is_written_all_the_same(tmp_path, kind):
    source = write_source(tmp_path / "source")
    request = request_of(source, no_finding(), options=ResultOptions(objects=(kind,)))
    assert _roles(write_results(request, tmp_path)) == ["SR-TEXT"]


def test_kinds__of_configuration_and_writer__are_the_same():
    assert {kind.value for kind in Configured} == {kind.value for kind in ObjectKind}
    assert {kind_of(role) for role in get_args(ResultRole)} == set(ObjectKind)


def test_label_map__of_a_clip__is_valid_and_read_back_equal(tmp_path, validate):
    source = write_source(tmp_path / "source", frames=5)
    lesion = lesion_findings(source, frame=3)[:1]
    apart = [finding for finding in head_findings(source, frames=(2, 5), best=2) if getattr(finding, "deflated", None)]
    (result,) = write_results(request_of(source, (*apart, *lesion), options=LABELS), tmp_path)
    assert result.sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.7"
    assert validate(result.path) == []
    seg = highdicom.seg.segread(result.path)
    read = seg.get_pixels_by_source_frame(
        "2.25.111", [2, 3, 5], assert_missing_frames_are_empty=True, combine_segments=True
    )
    for labels, frame in zip(read, (2, 3, 5), strict=True):
        expected = (
            ellipse(ROWS, COLUMNS, (120, 80), (15, 10)) * 2 if frame == 3 else ellipse(ROWS, COLUMNS, (80 + frame, 60))
        )
        assert np.array_equal(labels, expected)


def test_label_map__masks_overlap__stays_binary(tmp_path):
    source = write_source(tmp_path / "source")
    (result,) = write_results(request_of(source, findings_of(source), options=LABELS), tmp_path)
    assert result.sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_fractional__of_probabilities__is_valid_and_read_back_equal(tmp_path, validate, frames):
    source = write_source(tmp_path / "source", frames=frames)
    findings = with_probabilities(findings_of(source))
    (result,) = write_results(request_of(source, findings, options=FRACTIONS), tmp_path)
    assert result.sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.4"
    assert validate(result.path) == []
    seg = highdicom.seg.segread(result.path)
    assert (seg.segmentation_type.value, seg.segmentation_fractional_type.value) == ("FRACTIONAL", "PROBABILITY")
    assert seg.MaximumFractionalValue == 255
    if frames > 1:
        read = seg.get_pixels_by_source_frame("2.25.111", [2, 3, 5], assert_missing_frames_are_empty=True)
    else:
        read = seg.get_pixels_by_source_instance(["2.25.111"])
    wanted = np.zeros(read.shape, np.float32)
    positions = {2: 0, 3: 1, 5: 2} if frames > 1 else {1: 0}
    for mask in findings:
        if isinstance(mask, Mask):
            wanted[positions[mask.frame], ..., int(mask.group == "breast mass 1")] = mask.probabilities() / 255
    assert read == pytest.approx(wanted, abs=1e-6)
    assert 0 < ((wanted > 0) & (wanted < 1)).sum()


def test_fractional__some_masks_without_probabilities__stays_binary(tmp_path):
    source = write_source(tmp_path / "source")
    findings = (*with_probabilities(head_findings(source)), *lesion_findings(source))
    (result,) = write_results(request_of(source, findings, options=FRACTIONS), tmp_path)
    assert pydicom.dcmread(result.path).SegmentationType == "BINARY"


def test_segmentations__of_configuration_and_writer__are_the_same():
    configured = get_args(Results.model_fields["segmentation"].annotation)
    assert set(configured) == {kind.value for kind in SegmentationType}


def test_reference__of_a_result__is_where_it_was_written(tmp_path):
    source = write_source(tmp_path / "source")
    result = write_results(request_of(source, findings_of(source)), tmp_path)[0]
    ds = pydicom.dcmread(result.path)
    reference = Reference.of_result(result)
    assert (reference.sop_instance_uid, reference.series_instance_uid, reference.study_instance_uid) == (
        ds.SOPInstanceUID,
        ds.SeriesInstanceUID,
        ds.StudyInstanceUID,
    )
