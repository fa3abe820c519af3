"""The key object selection: the frames that matter, and everything that was written about them."""

from __future__ import annotations

import highdicom
import pydicom

from integration.results import ResultOptions, write_results
from integration.results.key_frames import key_frames
from models.findings import Box, Quantity
from tests.integration.results.sources import head_findings, lesion_findings, no_finding, request_of, write_source


def _written(folder, source, findings, **changes):
    options = ResultOptions(objects=("SEG", "SR", "SC", "PR", "PDF", "KOS"))
    results = write_results(request_of(source, findings, options=options, **changes), folder)
    return results, pydicom.dcmread(results[-1].path)


def test_kos__of_a_clip__names_its_key_frames_and_every_result(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    findings = head_findings(source, frames=(2, 3, 5), best=3) + lesion_findings(source, frame=5)
    results, ds = _written(tmp_path, source, findings)
    assert results[-1].role == "KOS" and ds.Modality == "KO"
    title = ds.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning) == ("113000", "DCM", "Of Interest")
    references = [
        item.ReferencedSOPSequence[0] for item in ds.ContentSequence if item.ValueType in ("IMAGE", "COMPOSITE")
    ]
    assert references[0].ReferencedSOPInstanceUID == "2.25.111"
    assert list(references[0].ReferencedFrameNumber) == [3, 5]
    by_role = {result.role: result.sop_instance_uid for result in results}
    assert references[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == by_role["PR"]
    named = {reference.ReferencedSOPInstanceUID for reference in references[1:]}
    assert named == {uid for role, uid in by_role.items() if role not in ("PR", "KOS")}


def test_kos__evidence__is_complete_and_highdicom_resolves_it(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    results, ds = _written(tmp_path, source, head_findings(source, frames=(3,), best=3))
    evidence = {
        (study.StudyInstanceUID, series.SeriesInstanceUID, each.ReferencedSOPInstanceUID)
        for study in ds.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for each in series.ReferencedSOPSequence
    }
    written = {(each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid) for each in results[:-1]}
    assert evidence == written | {("2.25.222", "2.25.333", "2.25.111")}
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(ds)
    for _, series, instance in evidence:
        assert document.resolve_reference(instance)[1] == series


def test_kos__nothing_found__is_not_written(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    results, _ = _written(tmp_path, source, no_finding(2))
    assert "KOS" not in {result.role for result in results}


def test_kos__description__says_what_is_on_the_key_frames_and_what_a_revision_changed(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    _, ds = _written(tmp_path, source, head_findings(source, frames=(2, 3), best=3))
    (text,) = [item.TextValue for item in ds.ContentSequence if item.ValueType == "TEXT" and "mm" in item.TextValue]
    lines = text.split("\r\n")
    assert lines[0] == "research use only, not for diagnosis."
    assert "fetal head 1: biparietal diameter 30.0 mm (frame 3)." in lines


def test_key_frames__thing_boxed_on_every_frame__is_where_it_is_surest():
    boxes = [
        Box(name="nodule", group="nodule 1", frame=frame, confidence=sure, left=1, top=1, right=5, bottom=5)
        for frame, sure in ((1, 0.5), (2, 0.9), (3, 0.7))
    ]
    count = Quantity(name="count", group="lines", frame=3, value=2, unit="1")
    assert key_frames(boxes) == (2,)
    assert key_frames([*boxes, count]) == (2, 3)
    assert key_frames(no_finding()) == ()
