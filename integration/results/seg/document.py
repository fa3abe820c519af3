"""A Segmentation of a still or of an ultrasound cine, which has no Frame of Reference: bits, probabilities or labels.

Frames are tied to the source by derivation, not by geometry, and counted along the segment and the time. OHIF 3.13
wants a plane orientation and pixel measures all the same; `ResultOptions.ohif_compat` gives them.

References
----------
DICOM PS3.3 A.51 (Segmentation IOD), A.51.6 (Label Map Segmentation IOD), C.8.20 (Segmentation), C.7.6.16 (Multi-frame
Functional Groups).
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from typing import Final

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage

from integration.pixels.calibration import NotCalibrated
from integration.results import codes
from integration.results.colours import rgb_of
from integration.results.instance import (
    MAX_LO,
    coded_item,
    copy_compression,
    new_instance,
    purposeful_source_item,
    side_of,
    source_item,
)
from integration.results.patient import copy_attributes
from integration.results.request import ResultRequest, SegmentationType
from integration.results.seg.bits import pack_frames
from integration.results.seg.labels import MOST_LABELS, label_maps, run_length_coded
from integration.results.seg.segments import Segment, bounding_points, overlap, segments_of
from integration.results.uids import derived_uid

LABEL_MAP_SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.7"  # pydicom 3.0 has no name for it


def build_seg(request: ResultRequest) -> Dataset | None:
    """The Segmentation of all masks; None where nothing was segmented."""
    segments = segments_of(request.findings)
    if not segments:
        return None
    stored = _stored_as(request, segments)
    labels = stored is SegmentationType.LABELMAP
    spacing = _spacing_mm(request, segments)
    scale = "" if spacing is not None else ", no scale"
    sop_class = LABEL_MAP_SEGMENTATION if labels else str(SegmentationStorage)
    ds = new_instance(request, "SEG", sop_class, modality="SEG", says=f"segmentation{scale}")
    # The side stands in each segment's anatomic region: PS3.3 C.7.3.1 has no Laterality where it can stand there.
    copy_attributes(request.header, ds, ("BodyPartExamined",))
    copy_compression(request, ds)
    _add_image(request, ds)
    ds.SegmentSequence = Sequence(_description(request, segment) for segment in segments)
    _add_dimensions(request, ds, labels=labels)
    ds.SharedFunctionalGroupsSequence = Sequence([_shared_groups(request, spacing or (1.0, 1.0))])
    ds.PerFrameFunctionalGroupsSequence = Sequence(_frame_items(request, segments, labels=labels))
    ds.NumberOfFrames = len(ds.PerFrameFunctionalGroupsSequence)
    ds.ReferencedSeriesSequence = Sequence([_source_series(request)])
    match stored:
        case SegmentationType.LABELMAP:
            _add_label_maps(request, ds, segments)
        case SegmentationType.FRACTIONAL:
            _add_probabilities(ds, segments)
        case SegmentationType.BINARY:
            _add_bits(request, ds, segments)
    return ds


def _stored_as(request: ResultRequest, segments: Many[Segment]) -> SegmentationType:
    """As it is asked for, where the masks can be stored so; else binary.

    A label map holds no masks that overlap, and a fractional segmentation wants the probabilities of all.
    """
    match request.options.segmentation:
        case SegmentationType.LABELMAP if len(segments) <= MOST_LABELS and not overlap(segments):
            return SegmentationType.LABELMAP
        case SegmentationType.FRACTIONAL if all(segment.fractional for segment in segments):
            return SegmentationType.FRACTIONAL
        case _:
            return SegmentationType.BINARY


def _add_image(request: ResultRequest, ds: Dataset) -> None:
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.PatientOrientation = None
    ds.ContentLabel = "SEGMENTATION"
    ds.ContentDescription = f"{request.task.task} {request.task.version}"[:MAX_LO]
    ds.ContentCreatorName = None
    ds.Rows, ds.Columns = request.source.rows, request.source.columns
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelRepresentation = 0


def _add_bits(request: ResultRequest, ds: Dataset, segments: Many[Segment]) -> None:
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    ds.SegmentationType = "BINARY"
    ds.SegmentsOverlap = "YES" if overlap(segments) else "NO"
    packed = (frame for segment in segments for frame in segment.frames.values())
    ds.PixelData = pack_frames(packed, request.source.rows * request.source.columns)
    ds["PixelData"].VR = "OB"


def _add_label_maps(request: ResultRequest, ds: Dataset, segments: Many[Segment]) -> None:
    """A byte a pixel with the number of its segment, 0 where it belongs to none."""
    ds.SegmentationType = "LABELMAP"
    ds.SegmentsOverlap = "NO"
    ds.PixelPaddingValue = 0
    _add_bytes(ds, label_maps(segments, request.source.rows, request.source.columns))


def _add_probabilities(ds: Dataset, segments: Many[Segment]) -> None:
    """A byte a pixel with the probability that it belongs to the frame's segment (PS3.3 C.8.20.2.3.2)."""
    ds.SegmentationType = "FRACTIONAL"
    ds.SegmentationFractionalType = "PROBABILITY"
    ds.MaximumFractionalValue = 255
    ds.SegmentsOverlap = "UNDEFINED"
    _add_bytes(ds, (segment.probabilities(frame) for segment in segments for frame in segment.frames))


def _add_bytes(ds: Dataset, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Frames of a byte a pixel, (rows, columns) each, one after another; RLE makes them small."""
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = encapsulate([run_length_coded(frame) for frame in frames])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _description(request: ResultRequest, segment: Segment) -> SegmentDescription:
    task, first = request.task, segment.first
    description = SegmentDescription(
        segment_number=segment.number,
        segment_label=first.group[:MAX_LO],
        segmented_property_category=codes.concept(first.category),
        segmented_property_type=codes.concept(first.code or codes.TISSUE),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=task.task,
            family=codes.concept(codes.ARTIFICIAL_INTELLIGENCE),
            version=task.version,
            source=task.manufacturer,
            parameters={"package": task.digest, "encoder": task.encoder_digest},
        ),
        tracking_uid=derived_uid(request.job_identity, "TRACK", first.group),
        tracking_id=first.group[:MAX_LO],
        anatomic_regions=None if first.site is None else [codes.concept(first.site)],
        display_color=CIELabColor.from_rgb(*rgb_of(segment.number - 1)),
    )
    side = side_of(request)
    if side is not None:
        for region in description.get("AnatomicRegionSequence", ()):
            region.AnatomicRegionModifierSequence = Sequence([coded_item(side)])
    return description


def _add_dimensions(request: ResultRequest, ds: Dataset, *, labels: bool) -> None:
    organization_uid = derived_uid(request.job_identity, "SEG", "dimensions")
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    ds.DimensionOrganizationSequence = Sequence([organization])
    pointers = (("ReferencedSegmentNumber", 0x0062000B, 0x0062000A), ("TemporalPositionIndex", 0x00209128, 0x00209111))
    ds.DimensionIndexSequence = Sequence()
    for label, pointer, group in pointers[1:] if labels else pointers:
        index = Dataset()
        index.DimensionOrganizationUID = organization_uid
        index.DimensionIndexPointer = Tag(pointer)
        index.FunctionalGroupPointer = Tag(group)
        index.DimensionDescriptionLabel = label
        ds.DimensionIndexSequence.append(index)


def _shared_groups(request: ResultRequest, spacing: tuple[float, float]) -> Dataset:
    shared = Dataset()
    if request.options.ohif_compat:
        orientation = Dataset()
        orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        shared.PlaneOrientationSequence = Sequence([orientation])
        measures = Dataset()
        measures.SliceThickness = 1  # of no meaning in a plane; highdicom reads no pixel measures without it
        measures.PixelSpacing = [f"{part:.8g}" for part in spacing]
        shared.PixelMeasuresSequence = Sequence([measures])
    return shared


def _frame_items(request: ResultRequest, segments: Many[Segment], *, labels: bool) -> list[Dataset]:
    """One item for each frame of the pixels, in their order: of a label map by frame, else by segment and frame."""
    used = sorted({frame for segment in segments for frame in segment.frames})
    positions = {frame: position for position, frame in enumerate(used, 1)}
    derivations = {frame: Sequence([_derivation(request, frame)]) for frame in used}
    if labels:
        return [_frame_item(frame, [positions[frame]], derivations[frame]) for frame in used]
    items = []
    for segment in segments:
        identification = Dataset()
        identification.ReferencedSegmentNumber = segment.number
        identifications = Sequence([identification])
        for frame in segment.frames:
            item = _frame_item(frame, [segment.number, positions[frame]], derivations[frame])
            item.SegmentIdentificationSequence = identifications
            items.append(item)
    return items


def _frame_item(frame: int, index: list[int], derivation: Sequence) -> Dataset:
    """Of one frame; the last number of its index is its place in time."""
    content = Dataset()
    content.FrameAcquisitionNumber = frame
    content.TemporalPositionIndex = index[-1]
    content.DimensionIndexValues = index
    item = Dataset()
    item.DerivationImageSequence = derivation
    item.FrameContentSequence = Sequence([content])
    return item


def _derivation(request: ResultRequest, frame: int) -> Dataset:
    source = purposeful_source_item(request, [frame])
    source.SpatialLocationsPreserved = "YES"
    derivation = Dataset()
    derivation.DerivationCodeSequence = Sequence([coded_item(codes.SEGMENTATION)])
    derivation.SourceImageSequence = Sequence([source])
    return derivation


def _source_series(request: ResultRequest) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = request.header.SeriesInstanceUID
    series.ReferencedInstanceSequence = Sequence([source_item(request)])
    return series


def _spacing_mm(request: ResultRequest, segments: Many[Segment]) -> tuple[float, float] | None:
    """mm between rows and between columns, where one scale is proven for every segmented pixel; else None."""
    corners = bounding_points(segments, request.source.rows, request.source.columns)
    (left, top), (right, bottom) = corners[0], corners[2]
    if left == right or top == bottom:
        return None
    calibration = request.source.calibration
    try:
        calibration.length_mm(corners)
        across = calibration.length_mm([corners[0], corners[1]]) / (right - left)
        down = calibration.length_mm([corners[1], corners[2]]) / (bottom - top)
    except NotCalibrated:
        return None
    return down, across
