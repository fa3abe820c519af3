"""A binary Segmentation of a still or of an ultrasound cine, which has no Frame of Reference.

Frames are tied to the source by derivation, not by geometry, and counted along the segment and the time. OHIF 3.13
wants a plane orientation and pixel measures all the same; `ResultOptions.ohif_compat` gives them.

References
----------
DICOM PS3.3 A.51 (Segmentation IOD), C.8.20 (Segmentation), C.7.6.16 (Multi-frame Functional Groups).
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from pydicom import Dataset, Sequence
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
from integration.results.request import ResultRequest
from integration.results.seg.bits import pack_frames
from integration.results.seg.segments import Segment, bounding_points, overlap, segments_of
from integration.results.uids import derived_uid


def build_seg(request: ResultRequest) -> Dataset | None:
    """The Segmentation of all masks; None where nothing was segmented."""
    segments = segments_of(request.findings)
    if not segments:
        return None
    spacing = _spacing_mm(request, segments)
    scale = "" if spacing is not None else ", no scale"
    ds = new_instance(request, "SEG", str(SegmentationStorage), modality="SEG", says=f"segmentation{scale}")
    # The side stands in each segment's anatomic region: PS3.3 C.7.3.1 has no Laterality where it can stand there.
    copy_attributes(request.header, ds, ("BodyPartExamined",))
    copy_compression(request, ds)
    _add_image(request, ds, segments)
    ds.SegmentSequence = Sequence(_description(request, segment) for segment in segments)
    _add_dimensions(request, ds)
    ds.SharedFunctionalGroupsSequence = Sequence([_shared_groups(request, spacing or (1.0, 1.0))])
    ds.PerFrameFunctionalGroupsSequence = Sequence(_frame_items(request, segments))
    ds.NumberOfFrames = len(ds.PerFrameFunctionalGroupsSequence)
    ds.ReferencedSeriesSequence = Sequence([_source_series(request)])
    packed = (frame for segment in segments for frame in segment.frames.values())
    ds.PixelData = pack_frames(packed, request.source.rows * request.source.columns)
    ds["PixelData"].VR = "OB"
    return ds


def _add_image(request: ResultRequest, ds: Dataset, segments: Many[Segment]) -> None:
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.PatientOrientation = None
    ds.ContentLabel = "SEGMENTATION"
    ds.ContentDescription = f"{request.task.task} {request.task.version}"[:MAX_LO]
    ds.ContentCreatorName = None
    ds.Rows, ds.Columns = request.source.rows, request.source.columns
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelRepresentation = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    ds.SegmentationType = "BINARY"
    ds.SegmentsOverlap = "YES" if overlap(segments) else "NO"


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


def _add_dimensions(request: ResultRequest, ds: Dataset) -> None:
    organization_uid = derived_uid(request.job_identity, "SEG", "dimensions")
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    ds.DimensionOrganizationSequence = Sequence([organization])
    pointers = (("ReferencedSegmentNumber", 0x0062000B, 0x0062000A), ("TemporalPositionIndex", 0x00209128, 0x00209111))
    ds.DimensionIndexSequence = Sequence()
    for label, pointer, group in pointers:
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


def _frame_items(request: ResultRequest, segments: Many[Segment]) -> list[Dataset]:
    """One item for each segment and frame, in the order of the pixels."""
    used = sorted({frame for segment in segments for frame in segment.frames})
    positions = {frame: position for position, frame in enumerate(used, 1)}
    derivations = {frame: Sequence([_derivation(request, frame)]) for frame in used}
    items = []
    for segment in segments:
        identification = Dataset()
        identification.ReferencedSegmentNumber = segment.number
        identifications = Sequence([identification])
        for frame in segment.frames:
            content = Dataset()
            content.FrameAcquisitionNumber = frame
            content.TemporalPositionIndex = positions[frame]
            content.DimensionIndexValues = [segment.number, positions[frame]]
            item = Dataset()
            item.DerivationImageSequence = derivations[frame]
            item.FrameContentSequence = Sequence([content])
            item.SegmentIdentificationSequence = identifications
            items.append(item)
    return items


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
