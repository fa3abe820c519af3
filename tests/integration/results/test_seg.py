"""Masks come back as they went in, on the frames they were on."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.pixels import Calibration
from integration.results import FindingDoesNotFit, derived_uid, write_results
from integration.results.seg.bits import pack_frames
from models.findings import Mask
from tests.integration.results.sources import (
    ANATOMY,
    HEAD,
    head_findings,
    lesion_findings,
    region,
    request_of,
    write_source,
)

USED = (2, 3, 5)


def _seg(tmp_path, source, findings, **changes):
    results = write_results(request_of(source, findings, **changes), tmp_path)
    return next((result for result in results if result.role == "SEG"), None)


@pytest.mark.parametrize("size", [(120, 161), (104, 160), (481, 641)], ids=str)
def test_seg__cine_read_by_highdicom__equals_masks_on_every_frame(tmp_path, size):
    source = write_source(tmp_path / "source", frames=5, rows=size[0], columns=size[1])
    findings = head_findings(source, frames=USED, best=3) + lesion_findings(source, frame=3)
    seg = hd.seg.segread(_seg(tmp_path, source, findings).path)
    wanted = np.zeros((5, *size, 2), bool)
    for finding in findings:
        if isinstance(finding, Mask):
            wanted[finding.frame - 1, ..., int(finding.group == "breast mass 1")] |= finding.to_array()
    read = seg.get_pixels_by_source_frame(
        str(source.header.SOPInstanceUID), [1, 2, 3, 4, 5], assert_missing_frames_are_empty=True
    )
    assert np.array_equal(read.astype(bool), wanted)
    assert seg.NumberOfFrames == 4  # three of the head, one of the mass: no empty ones


def test_seg__still__references_no_frame_and_equals_mask(tmp_path):
    source = write_source(tmp_path / "source")
    findings = head_findings(source)
    path = _seg(tmp_path, source, findings).path
    ds = pydicom.dcmread(path)
    reference = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert "ReferencedFrameNumber" not in reference
    read = hd.seg.segread(path).get_pixels_by_source_instance([str(source.header.SOPInstanceUID)])
    assert np.array_equal(read[0, ..., 0].astype(bool), findings[0].to_array())


def test_seg__cine__each_frame_refers_to_its_source_frame_and_has_no_frame_of_reference(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    ds = pydicom.dcmread(_seg(tmp_path, source, head_findings(source, frames=USED, best=3)).path)
    groups = ds.PerFrameFunctionalGroupsSequence
    sources = [item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber for item in groups]
    assert tuple(sources) == USED
    assert [list(item.FrameContentSequence[0].DimensionIndexValues) for item in groups] == [[1, 1], [1, 2], [1, 3]]
    assert "FrameOfReferenceUID" not in ds
    segment = ds.SegmentSequence[0]
    assert segment.TrackingUID == derived_uid("0123456789abcdef" * 4, "TRACK", "fetal head 1")
    assert segment.AnatomicRegionSequence[0].CodeValue == "69536005"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0].CodeValue == "123110"


def test_seg__scale_proven_at_the_masks__is_the_pixel_spacing(tmp_path):
    source = write_source(tmp_path / "source")
    item = region(0, 0, 160, 119)
    item.PhysicalDeltaY = 0.025
    header = source.header
    header.SequenceOfUltrasoundRegions = [item]
    source.calibration = Calibration.from_dataset(header)
    ds = pydicom.dcmread(_seg(tmp_path, source, head_findings(source)).path)
    spacing = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    assert list(map(float, spacing)) == pytest.approx([0.25, 0.5])
    assert "no scale" not in ds.SeriesDescription


def test_seg__no_scale_or_masks_in_two_regions__says_so(tmp_path):
    two = (region(0, 0, 79, 119), region(80, 0, 160, 119))
    for name, regions in (("none", ()), ("two", two)):
        source = write_source(tmp_path / name, regions=regions)
        ds = pydicom.dcmread(_seg(tmp_path, source, head_findings(source)).path)
        measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert list(measures.PixelSpacing) == [1, 1]
        assert ds.SeriesDescription == "fetal-head: segmentation, no scale, not for diagnosis"


def test_seg__only_empty_masks__is_not_written(tmp_path):
    source = write_source(tmp_path / "source")
    empty = Mask(
        name="fetal head",
        group="fetal head 1",
        frame=1,
        code=HEAD,
        category=ANATOMY,
        rows=source.rows,
        columns=source.columns,
        deflated=Mask.deflate(np.zeros((source.rows, source.columns), bool)),
    )
    assert _seg(tmp_path, source, (empty, *head_findings(source)[1:])) is None


def test_mask_of_another_size_or_frame__is_refused(tmp_path):
    source, other = write_source(tmp_path / "a"), write_source(tmp_path / "b", rows=100)
    with pytest.raises(FindingDoesNotFit):
        write_results(request_of(source, head_findings(other)), tmp_path)
    with pytest.raises(FindingDoesNotFit):
        write_results(request_of(source, head_findings(source, frames=(2,))), tmp_path)
    with pytest.raises(FindingDoesNotFit):
        write_results(request_of(source, ()), tmp_path)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_pack_frames__any_size__is_contiguous_to_the_bit(pixels, frames, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (frames, pixels), np.uint8)
    packed = pack_frames([np.packbits(frame) for frame in bits], pixels)
    unpacked = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    assert len(packed) % 2 == 0
    assert np.array_equal(unpacked[: bits.size], bits.ravel())
    assert not unpacked[bits.size :].any()
