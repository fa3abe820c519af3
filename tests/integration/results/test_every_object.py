"""Every kind of object that can be written, of stills and clips under names in every character set.

A new kind, role or form of segmentation fails here until it is among those that are looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import get_args

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from integration.results import ObjectKind, ResultOptions, SegmentationType, write_results
from integration.results.codes import named_concept, unit_concept
from integration.results.values import percent, shown_value
from models.findings import Box, Category, EnhancedImage, Landmarks, Mask, Quantity
from node.config.sections import ResultRole
from tests.integration.results.every_kind import NAMES, findings_of, named_source
from tests.integration.results.hearts import by_discs, chambers, volumes
from tests.integration.results.sources import (
    HEAD,
    MASS,
    head_findings,
    lesion_findings,
    request_of,
    with_probabilities,
    write_source,
)
from tests.integration.results.trees import every

KIND_OF_NAMES = {"latin-1": "RGB", "japanese": "PALETTE", "gb18030": "YBR", "utf-8": "MONO", "empty": "RGB"}
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
ZONE = {"TimezoneOffsetFromUTC": "+0900"}
REPORTS = ("SR", "SR-TEXT", "SR-OB", "SR-ECHO")


def everything(source):
    """What tasks of every kind say, about one image."""
    last = source.number_of_frames
    best = min(3, last)
    heart = (*chambers(source, frame=best), *by_discs(diastole=1, systole=last))
    return with_probabilities(
        (
            *findings_of(source),
            *heart,
            *volumes(source, diastole=1, systole=last),
            Box(
                name="nodule",
                group="nodule 1",
                frame=best,
                code=MASS,
                confidence=0.8,
                left=9,
                top=9,
                right=40,
                bottom=30,
            ),
            Landmarks(
                name="points", group="points", frame=best, code=HEAD, points=((20, 20), (30, 30)), labels=("one", "two")
            ),
            *(
                EnhancedImage(name="less noise", group="less noise", frame=number, pixels=pixels + np.uint8(20))
                for number, pixels in source.frames()
            ),
        )
    )


def written(source, folder):
    """Role, or form of the segmentation, and path of every object that can be made of an image."""
    found = {}
    options = ResultOptions(objects=tuple(ObjectKind))
    for result in write_results(request_of(source, everything(source), options=options), folder):
        found[result.role] = result.path
    apart = (*head_findings(source)[:1], *lesion_findings(source)[:1])
    for form, findings in (
        (SegmentationType.LABELMAP, _beside(apart)),
        (SegmentationType.FRACTIONAL, everything(source)),
    ):
        (folder / form).mkdir()
        options = ResultOptions(objects=("SEG",), segmentation=form)
        (result,) = write_results(request_of(source, findings, options=options), folder / form)
        found[f"SEG {form.upper()}"] = result.path
    return found


def _beside(masks):
    """Two masks without the pixels that they share, which a label map cannot hold."""
    head, lesion = masks
    left = lesion.to_array() & ~head.to_array()
    return head, replace(lesion, deflated=Mask.deflate(left))


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
@pytest.mark.parametrize("names", NAMES)
def test_every_object__of_stills_and_clips_in_every_character_set__has_no_error_and_keeps_the_name(
    tmp_path, validate, frames, names
):
    source = named_source(
        tmp_path / "source", frames=frames, kind=KIND_OF_NAMES[names], regions="one", names=names, text=ZONE
    )
    found = written(source, tmp_path)
    assert set(found) == {*get_args(ResultRole), "SEG LABELMAP", "SEG FRACTIONAL"}
    forms = {pydicom.dcmread(path).SegmentationType for role, path in found.items() if role.startswith("SEG")}
    assert forms == {form.upper() for form in SegmentationType}
    for role, path in found.items():
        ds = pydicom.dcmread(path)
        assert (str(ds.PatientName), ds.SpecificCharacterSet) == (NAMES[names][1], "ISO_IR 192"), role
        if role == "SR-ECHO":  # the validator does not know its class
            ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = COMPREHENSIVE
            path = tmp_path / "comprehensive.dcm"
            ds.save_as(path)
        assert [line for line in validate(path) if line.startswith("Error")] == [], role


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_every_object__written_again_from_a_fresh_reading__is_the_same_file(tmp_path, frames):
    runs = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        found = written(write_source(tmp_path / run / "source", frames=frames, text=ZONE), tmp_path / run)
        runs.append({role: (path.name, path.read_bytes()) for role, path in found.items()})
    assert "SR-ECHO" in runs[0]
    assert runs[0] == runs[1]


def test_every_report__of_a_later_revision__names_those_before_and_has_uids_of_its_own(tmp_path):
    source = write_source(tmp_path / "source", frames=5, text=ZONE)
    first = write_results(request_of(source, everything(source), job_identity="11" * 32), tmp_path)
    before = tuple(
        (one.sop_class_uid, one.sop_instance_uid, one.study_instance_uid, one.series_instance_uid) for one in first
    )
    second = write_results(
        request_of(source, everything(source), job_identity="22" * 32, revision_number=2, predecessor=before), tmp_path
    )
    assert not {one.sop_instance_uid for one in first} & {one.sop_instance_uid for one in second}
    earlier = {one.role: one.sop_instance_uid for one in first}
    for one in second:
        if one.role in REPORTS:
            named = {
                item.ReferencedSOPInstanceUID
                for study in pydicom.dcmread(one.path).PredecessorDocumentsSequence
                for series in study.ReferencedSeriesSequence
                for item in series.ReferencedSOPSequence
            }
            assert earlier[one.role] in named, one.role
    assert {one.role for one in second} >= set(REPORTS)


@pytest.fixture(params=[1, 5], ids=["still", "cine"])
def image(request, tmp_path):
    source = write_source(tmp_path / "source", frames=request.param, text=ZONE)
    return source, written(source, tmp_path)


def numbers_of(item):
    """Numbers of a report: concept, value, unit."""
    return Counter(
        (
            each.ConceptNameCodeSequence[0].CodeValue,
            float(each.MeasuredValueSequence[0].NumericValue),
            each.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for each in every(item)
        if each.ValueType == "NUM"
    )


def said(quantity):
    name = named_concept(quantity.code, quantity.name)
    return name.value, shown_value(quantity.value, quantity.unit), unit_concept(quantity.unit).value


def test_numbers__read_by_pydicom_and_dcmtk__are_those_of_the_findings(image, dcmtk):
    source, found = image
    findings = everything(source)
    quantities = [each for each in findings if isinstance(each, Quantity)]
    for read in (pydicom.dcmread, lambda path: pydicom.Dataset.from_json(json.loads(dcmtk("dcm2json", path)))):
        reports = {role: numbers_of(read(found[role])) for role in REPORTS}
        measured = reports["SR"] + reports["SR-TEXT"]
        assert not Counter(map(said, quantities)) - measured
        certain = Counter(("111012", percent(each.confidence), "%") for each in findings if each.confidence is not None)
        likely = Counter(("122157", percent(each.probability), "%") for each in findings if isinstance(each, Category))
        assert set(measured - Counter(map(said, quantities))) <= set(certain + likely)
        lengths = Counter(said(each) for each in quantities if each.unit == "mm")
        assert reports["SR-OB"] - lengths == Counter(k for k in reports["SR-OB"] if k[0] == "18185-9")
        assert not lengths - reports["SR-OB"]
        heart = [each for each in quantities if each.group.startswith(("ejection", "left"))]
        assert Counter(k[1:] for k in reports["SR-ECHO"].elements()) == Counter(said(each)[1:] for each in heart)


def test_numbers__read_by_highdicom__are_those_of_the_findings_with_their_points(image):
    source, found = image
    report = hd.sr.srread(found["SR"]).content
    regions = report.get_planar_roi_measurement_groups()
    groups = (*regions, *report.get_image_measurement_groups())
    read = {(each.name.value, each.value, each.unit.value) for group in groups for each in group.get_measurements()}
    drawn = [each for each in everything(source) if isinstance(each, Quantity) and each.points]
    assert {said(each) for each in drawn} <= read
    outlines = [np.array(group.roi.value) for group in regions if group.roi.graphic_type.value == "POLYLINE"]
    for each in drawn:
        if each.measure.closed:
            points = np.array([*each.points, each.points[0]]) + 0.5
            assert any(len(line) == len(points) and np.abs(line - points).max() < 1e-3 for line in outlines), each.name
    for role in ("SR-OB", "SR-ECHO", "SR-TEXT"):
        for item in every(pydicom.dcmread(found[role])):
            if item.ValueType == "NUM":
                number = hd.sr.NumContentItem.from_dataset(item)
                assert number.value == float(item.MeasuredValueSequence[0].NumericValue)


def test_pictures__of_stills_and_clips__are_read_by_highdicom_and_dcmtk_as_by_pydicom(image, tmp_path, dcmtk):
    source, found = image
    for role in ("SEG", "SEG LABELMAP", "SEG FRACTIONAL", "ENH"):
        ds = pydicom.dcmread(found[role])
        plain = tmp_path / "plain.dcm"
        dcmtk("dcmdrle" if ds.file_meta.TransferSyntaxUID == RLELossless else "dcmconv", found[role], plain)
        assert np.array_equal(pydicom.dcmread(plain).pixel_array, ds.pixel_array), role
        assert np.array_equal(hd.imread(found[role]).pixel_array, ds.pixel_array), role
    pictures = [each for each in everything(source) if isinstance(each, EnhancedImage)]
    ds = pydicom.dcmread(found["ENH"])
    shown = ds.pixel_array.reshape(len(pictures), ds.Rows, ds.Columns, 3)
    for each, picture in zip(pictures, shown, strict=True):
        assert np.array_equal(picture[: source.rows, : source.columns], each.pixels)
