"""All results of every kind of source, read back by software that had no part in writing them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import gdcm
import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from integration.results import ResultOptions, write_results
from integration.results.objects import ObjectKind
from models.findings import Mask
from tests.integration.results.every_kind import REGIONS
from tests.integration.results.sources import head_findings, lesion_findings, request_of, write_source

KINDS = ("RGB", "PALETTE", "YBR", "MONO")
TOLD = ("TextValue", "CodeValue", "CodeMeaning", "UID", "ReferencedSOPInstanceUID", "GraphicType", "SegmentLabel")
NUMBERS = ("NumericValue", "GraphicData", "ReferencedFrameNumber", "DimensionIndexValues", "PixelSpacing")


@pytest.fixture(params=[(frames, kind, regions) for frames in (1, 5) for kind in KINDS for regions in REGIONS], ids=str)
def written(request, tmp_path):
    frames, kind, regions = request.param
    source = write_source(tmp_path / "source", frames=frames, kind=kind, regions=REGIONS[regions])
    used, best = ((1,), 1) if frames == 1 else ((2, 3, 5), 3)
    findings = head_findings(source, frames=used, best=best) + lesion_findings(source, frame=best)
    results = write_results(request_of(source, findings, options=ResultOptions(objects=tuple(ObjectKind))), tmp_path)
    return source, findings, {result.role: result.path for result in results}


def test_results__read_by_other_software__say_what_was_written(written, dcmtk):
    source, findings, paths = written
    for role, path in paths.items():
        ds = pydicom.dcmread(path)
        _equal_to_gdcm(path, ds, role)
        if role != "SC":  # dcm2json has no way to tell compressed pixels
            _equal_to_json(dcmtk("dcm2json", path), ds, role)
    for role in ("SR", "SR-TEXT"):
        page = Path(paths[role]).with_suffix(".html")
        dcmtk("dsr2html", "+U8", paths[role], page)
        html = page.read_text()
        assert str(source.header.SOPInstanceUID) in html
    assert "breast mass 1: assessment: Malignant (probability 71.4 %)" in html
    _equal_to_highdicom(paths, source, findings)


def _equal_to_gdcm(path, ds, role):
    reader = gdcm.Reader()
    reader.SetFileName(str(path))
    assert reader.Read(), role
    texts = gdcm.StringFilter()
    texts.SetFile(reader.GetFile())
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "SeriesDescription"):
        tag = pydicom.tag.Tag(keyword)
        assert texts.ToString(gdcm.Tag(tag.group, tag.element)).strip(" \0") == str(ds[keyword].value), (role, keyword)
    if "PixelData" not in ds:
        return
    images = gdcm.ImageReader()
    images.SetFileName(str(path))
    assert images.Read(), role
    image = images.GetImage()
    assert tuple(image.GetDimensions())[:2] == (ds.Columns, ds.Rows)
    if ds.BitsAllocated == 8:
        seen = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), np.uint8)
        assert np.abs(seen.astype(int) - pixel_array(ds, raw=True).ravel()).mean() < 2, role


def _equal_to_json(told, ds, role):
    again = pydicom.Dataset.from_json(json.loads(told))
    for keyword in TOLD:
        assert _all(again, keyword) == _all(ds, keyword), (role, keyword)
    for keyword in NUMBERS:
        read, wrote = (_numbers(each, keyword) for each in (again, ds))
        assert read == pytest.approx(wrote, rel=1e-6), (role, keyword)


def _all(ds, keyword):
    return Counter(str(element.value) for element in ds.iterall() if element.keyword == keyword)


def _numbers(ds, keyword):
    return [
        float(value)
        for element in ds.iterall()
        if element.keyword == keyword
        for value in (element.value if element.VM > 1 else [element.value])
    ]


def _equal_to_highdicom(paths, source, findings):
    seg = hd.seg.segread(paths["SEG"])
    uid = str(source.header.SOPInstanceUID)
    frames = list(range(1, source.number_of_frames + 1))
    if source.number_of_frames > 1:
        read = seg.get_pixels_by_source_frame(uid, frames, assert_missing_frames_are_empty=True)
    else:
        read = seg.get_pixels_by_source_instance([uid])
    wanted = np.zeros(read.shape, bool)
    for mask in findings:
        if isinstance(mask, Mask):
            wanted[mask.frame - 1, ..., int(mask.group == "breast mass 1")] |= mask.to_array()
    assert np.array_equal(read.astype(bool), wanted)
    report = hd.sr.srread(paths["SR"]).content
    groups = (*report.get_planar_roi_measurement_groups(), *report.get_image_measurement_groups())
    units = {m.name.meaning: m.unit.value for group in groups for m in group.get_measurements()}
    scaled = list(source.header.get("SequenceOfUltrasoundRegions", ()))
    assert units["Occipital-Frontal Diameter"] == ("mm" if scaled else "{pixels}")
    assert units["Head Circumference"] == ("mm" if len(scaled) == 1 else "{pixels}")
