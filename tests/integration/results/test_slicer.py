"""Results as 3D Slicer reads them: its importers run these programs of dcmqi (docs/results.md, In a viewer)."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, Sequence

from integration.results import ResultOptions, SegmentationType, write_results
from models.findings import Mask, Quantity
from tests.integration.results.sources import head_findings, request_of, with_probabilities, write_source

UNITS = {"px": "{pixels}", "mm": "mm"}


def written(folder: Path, frames: int, form: str = "binary", **source) -> tuple[dict[str, str], tuple]:
    image = write_source(folder / "source", frames=frames, **source)
    findings = head_findings(image, frames=(1,) if frames == 1 else (2, 4), best=1 if frames == 1 else 4)
    if form == "fractional":
        findings = with_probabilities(findings)
    options = ResultOptions(objects=("SEG", "SR"), segmentation=SegmentationType(form))
    return {
        each.role: each.path for each in write_results(request_of(image, findings, options=options), folder)
    }, findings


def positioned(path: str) -> Path:
    """A copy whose frames lie one behind the other, which no ultrasound image says of its frames."""
    ds = pydicom.dcmread(path)
    for depth, groups in enumerate(ds.PerFrameFunctionalGroupsSequence):
        position = Dataset()
        position.ImagePositionPatient = [0, 0, depth]
        groups.PlanePositionSequence = Sequence([position])
    ds.save_as(copy := Path(path).with_suffix(".positioned"))
    return copy


def read_nrrd(path: Path) -> np.ndarray:
    """Pixels, (frame, row, column)."""
    head, _, packed = path.read_bytes().partition(b"\n\n")
    sizes = re.search(rb"sizes: (\d+) (\d+) (\d+)", head)
    kind = re.search(rb"type: ([a-z ]+)", head)
    assert sizes is not None and kind is not None and b"encoding: gzip" in head
    pixels = np.frombuffer(gzip.decompress(packed), {b"short": "<i2", b"unsigned char": "u1"}[kind[1]])
    return pixels.reshape([int(size) for size in sizes.groups()[::-1]])


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("scaled", [True, False])
def test_sr__read_by_tid1500reader__has_every_number_with_its_unit(tmp_path, dcmtk, frames, scaled):
    paths, findings = written(tmp_path, frames, **({} if scaled else {"regions": ()}))
    dcmtk("tid1500reader", "--inputDICOM", paths["SR"], "--outputMetadata", tmp_path / "read.json")
    groups = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    read = {
        (item["quantity"]["CodeValue"], float(item["value"]), item["units"]["CodeValue"])
        for group in groups
        for item in group["measurementItems"]
    }
    wanted = [each for each in findings if isinstance(each, Quantity)]
    assert len(wanted) == 3
    assert {(each.code.value, round(each.value, 1), UNITS[each.unit]) for each in wanted} <= read


def test_sr_text__read_by_tid1500reader__has_its_numbers(tmp_path, dcmtk):
    paths, _ = written(tmp_path, 1, regions=())
    dcmtk("tid1500reader", "--inputDICOM", paths["SR-TEXT"], "--outputMetadata", tmp_path / "read.json")
    (group,) = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    (item,) = group["measurementItems"]
    assert (item["quantity"]["CodeMeaning"], float(item["value"])) == ("Certainty of Finding", 93.0)


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("form", ["binary", "labelmap"])
def test_seg__given_positions__segimage2itkimage_reads_every_pixel_and_label(tmp_path, dcmtk, frames, form):
    paths, findings = written(tmp_path, frames, form)
    (folder := tmp_path / "read").mkdir()
    words = ("--outputDirectory", folder, "--mergeSegments", "--inputDICOM")
    dcmtk("segimage2itkimage", *words, positioned(paths["SEG"]))
    masks = [each.to_array() for each in findings if isinstance(each, Mask)]
    assert np.array_equal(read_nrrd(folder / "1.nrrd") != 0, np.stack(masks))
    ((segment,),) = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    assert segment["SegmentedPropertyTypeCodeSequence"]["CodeValue"] == findings[0].code.value
    assert segment["SegmentLabel"] == pydicom.dcmread(paths["SEG"]).SegmentSequence[-1].SegmentLabel


@pytest.mark.parametrize("form", ["binary", "labelmap", "fractional"])
def test_seg__as_it_is__segimage2itkimage_cannot_read(tmp_path, dcmtk, form):
    """As docs/results.md says of dcmqi 1.5.7; once this fails, dcmqi has learned it, and the page is to be mended."""
    paths, _ = written(tmp_path, 1, form)
    with pytest.raises(AssertionError):
        dcmtk("segimage2itkimage", "--outputDirectory", tmp_path, "--inputDICOM", paths["SEG"])
