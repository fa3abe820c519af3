"""What readers of boxes, points, numbers and reports say becomes valid objects, in millimetres where that is proven."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from integration.pixels import in_physical_units
from integration.results import FindingDoesNotFit, write_results
from integration.results.sc.draw import Painter
from integration.results.sc.marks import overlay_of
from models.findings import Box, Category, EnhancedImage, Landmarks, Mask, Narrative, Quantity
from tests.integration.results.sources import COLUMNS, MM_PER_PIXEL, ROWS, request_of, write_source
from tests.models import (
    test_category,
    test_detection,
    test_landmarks,
    test_ordinal,
    test_quality,
    test_regression,
    test_report,
    test_segmentation,
    test_view,
)
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
        case "segmentation":
            maps = [test_segmentation.square(10, 30, 40, 60), test_segmentation.square(50, 30, 80, 60)]
            asked = [test_segmentation.asked(name, area=True) for name in ("fetal head", "breast mass")]
            seen = told({"mask": np.stack(maps)}, size=size)
            return read_all(test_segmentation.card(*asked, exclusive=False), [seen])
        case "classification":
            return read_all(test_category.card(), [test_category.seen(0.1, 0.7, 0.2)])
        case "ordinal":
            return read_all(test_ordinal.card(test_ordinal.WORDS[:3]), [test_ordinal.seen(0.1, 0.7, 0.2)])
        case "view":
            seen = test_view.seen((0.1, 0.8, 0.1), (1.0, 0.9, 0.1, 1.0))
            return read_all(test_view.card(), [seen])
        case "quality":
            return read_all(test_quality.card(), [test_quality.seen(0.4, 0.9, 0.2)])
        case _:
            raw = test_report.answered(left=0.5)
            return read_all(test_report.settings(wording="template"), [told(raw, size=size)])


KINDS = {
    "segmentation": {Mask, Quantity},
    "classification": {Category},
    "ordinal": {Category},
    "view": {Category},
    "quality": {Quantity, Category},
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
        faults = [line for line in validate(result.path) if "<99" not in line]  # private coding schemes
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


def items_of(path):
    return list(_below(pydicom.dcmread(path)))


def _below(ds):
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from _below(item)


def named(items, meaning):
    return [each for each in items if each.ConceptNameCodeSequence[0].CodeMeaning == meaning]


@pytest.mark.parametrize(
    ("kind", "question", "answer", "percent"),
    [
        ("classification", "impression", test_category.WORDS[1], 70),
        ("ordinal", "assessment", test_ordinal.WORDS[1], 70),
        ("view", "organ", "benign breast", 72),
        ("quality", "gain", "poor gain", 90),
    ],
)
def test_category__in_the_sr__is_a_coded_evaluation_with_its_probability(tmp_path, kind, question, answer, percent):
    results = write_results(request_of(write_source(tmp_path / "source"), _said(kind)), tmp_path)
    assert "SR" not in [result.role for result in results]
    (report,) = [result for result in results if result.role == "SR-TEXT"]
    items = items_of(report.path)
    (evaluation,) = named(items, question)
    assert evaluation.ValueType == "CODE"
    assert evaluation.ConceptCodeSequence[0].CodeMeaning == answer
    likely = [float(each.MeasuredValueSequence[0].NumericValue) for each in named(items, "Probability")]
    assert percent in [round(value) for value in likely]


def test_detection__in_the_sr__is_a_closed_rectangle_with_type_and_certainty(tmp_path):
    findings = _said("detection")
    results = write_results(request_of(write_source(tmp_path / "source"), findings), tmp_path)
    items = items_of(next(result.path for result in results if result.role == "SR"))
    drawn = [each for each in items if each.ValueType == "SCOORD"]
    assert {each.GraphicType for each in drawn} == {"POLYLINE"}
    for box, mark in zip(findings, drawn, strict=True):
        corners = np.array(mark.GraphicData).reshape(-1, 2) - 0.5
        assert len(corners) == 5 and np.array_equal(corners[0], corners[-1])
        edges = (*corners.min(axis=0), *corners.max(axis=0))
        assert edges == pytest.approx((box.left, box.top, box.right, box.bottom), abs=1e-3)
    sure = [float(each.MeasuredValueSequence[0].NumericValue) for each in named(items, "Certainty of Finding")]
    assert sure == [90.0, 80.0]
    assert [each.ConceptCodeSequence[0].CodeMeaning for each in named(items, "Finding")] == [
        box.code.meaning for box in findings
    ]


def test_detection__on_the_marked_picture__class_and_certainty_are_in_words():
    overlay = overlay_of(_said("detection"), multi_frame=False)
    assert [words.text[-18:] for words in overlay.legend] == ["(certainty 90.0 %)", "(certainty 80.0 %)"]


def test_detection__on_the_marked_picture__the_label_lies_on_its_rectangle():
    box = Box(name="nodule", group="nodule 1", frame=1, confidence=0.8, left=200, top=150, right=400, bottom=300)
    painter = Painter(overlay_of((box,), multi_frame=False), rows=400, columns=640, heading=())
    rows, columns = np.nonzero(painter.paint(1, np.zeros((400, 640), np.uint8))[:145].max(axis=-1) > 60)
    assert 115 < rows.min() and 195 < columns.min() and columns.max() < 320


def test_landmarks__in_the_sr__are_points_with_their_labels(tmp_path):
    findings = _said("landmarks")
    results = write_results(request_of(write_source(tmp_path / "source"), findings), tmp_path)
    items = items_of(next(result.path for result in results if result.role == "SR"))
    points = [each for each in items if each.ValueType == "SCOORD" and each.GraphicType == "POINT"]
    assert len(points) == len(findings[0].points)
    for (x, y), mark in zip(findings[0].points, points, strict=True):
        assert list(mark.GraphicData) == pytest.approx([x + 0.5, y + 0.5], abs=1e-3)
    labels = " ".join(each.TextValue for each in named(items, "Tracking Identifier"))
    assert all(label in labels for label in findings[0].labels)


def better(frame, pixels):
    return EnhancedImage(name="picture with less noise", group="picture with less noise", frame=frame, pixels=pixels)


def enhanced(tmp_path, source, *frames):
    """The object of pictures that are 50 gray levels brighter."""
    findings = tuple(better(frame, source.frame(frame) + np.uint8(50)) for frame in frames)
    (result,) = write_results(request_of(source, findings), tmp_path)
    assert result.role == "ENH"
    return result.path, pydicom.dcmread(result.path)


@pytest.mark.parametrize("kind", ["MONO", "RGB", "YBR"])
def test_enhanced_still__is_a_secondary_capture_of_its_pixels_and_says_what_it_is(tmp_path, validate, kind):
    source = write_source(tmp_path / "source", kind=kind)
    path, ds = enhanced(tmp_path, source, 1)
    assert validate(path) == []
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert list(ds.ImageType) == ["DERIVED", "SECONDARY", "ENHANCED"]
    assert (ds.BurnedInAnnotation, ds.ContentQualification) == ("YES", "RESEARCH")
    assert "not for diagnosis" in ds.SeriesDescription
    (given,) = ds.SourceImageSequence
    assert given.ReferencedSOPInstanceUID == source.header.SOPInstanceUID
    assert ds.LossyImageCompression == source.header.LossyImageCompression
    picture = ds.pixel_array
    assert np.array_equal(picture[:ROWS, :COLUMNS], source.frame(1) + 50)
    assert picture[ROWS:].max() > 200  # the words below it


@pytest.mark.parametrize("kind", ["MONO", "RGB"])
def test_enhanced_cine__all_frames__runs_as_the_source(tmp_path, validate, kind):
    source = write_source(tmp_path / "source", kind=kind, frames=5)
    path, ds = enhanced(tmp_path, source, 1, 2, 3, 4, 5)
    assert validate(path) == []
    assert (ds.NumberOfFrames, float(ds.FrameTime)) == (5, 33.3)
    assert np.array_equal(ds.pixel_array[3][:ROWS, :COLUMNS], source.frame(4) + 50)


def test_enhanced_cine__some_frames__tell_which(tmp_path, validate):
    source = write_source(tmp_path / "source", kind="MONO", frames=5)
    path, ds = enhanced(tmp_path, source, 4, 2)
    assert validate(path) == []
    assert list(ds.PageNumberVector) == [2, 4]
    assert list(ds.SourceImageSequence[0].ReferencedFrameNumber) == [2, 4]
    assert np.array_equal(ds.pixel_array[1][:ROWS, :COLUMNS], source.frame(4) + 50)


def test_enhanced__of_another_size_than_its_source__is_refused(tmp_path):
    source = write_source(tmp_path / "source", kind="MONO")
    with pytest.raises(FindingDoesNotFit, match="not of the size"):
        write_results(request_of(source, (better(1, np.zeros((10, 10), np.uint8)),)), tmp_path)
