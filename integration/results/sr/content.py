"""Measurement groups as content items of TID 1500.

References
----------
DICOM PS3.16 TID 1500, TID 1410 (Planar ROI), TID 1501 (Measurement and Qualitative Evaluation Group), TID 4019.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    ContainerContentItem,
    ContentSequence,
    CoordinatesForMeasurement,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode
from pydicom.uid import UltrasoundImageStorage

from integration.results import codes
from integration.results.instance import side_of
from integration.results.observer import observer_context
from integration.results.request import ResultRequest
from integration.results.sr.groups import DrawnGroup, Shape, ToldGroup
from integration.results.sr.items import graphic_data
from integration.results.uids import derived_uid
from integration.results.values import finding_texts, percent, shown_value, standing_words, withheld_text
from models.findings import Code, NoFinding, Quantity


def warm_up() -> None:
    """Let highdicom read its tables of the standard: about a second, once in a process, off a job's way."""
    ImageRegion("POINT", np.array([[0.5, 0.5]]), SourceImageForRegion(UltrasoundImageStorage, "2.25.1"))


def report_content(
    request: ResultRequest,
    title: DicomCode,
    groups: Iterable[DrawnGroup] | Iterable[ToldGroup],
) -> Dataset:
    """The root container of a report of these groups, one or more."""
    items = [
        _drawn_item(request, group) if isinstance(group, DrawnGroup) else _told_item(request, group) for group in groups
    ]
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer_context(request)),
        procedure_reported=codes.concept(codes.PROCEDURE),
        imaging_measurements=items,
        title=codes.concept(title),
    )
    root: Dataset = report[0]
    return root


def add_plain_words(request: ResultRequest, root: Dataset) -> None:
    """Say all findings in sentences before the coded groups: text viewers print codes without their names."""
    several = request.source.number_of_frames > 1
    sentences = [*standing_words(request.options.research_use, request.task), *request.changes]
    for finding in request.findings:
        where = f" (frame {finding.frame})" if several and not isinstance(finding, NoFinding) else ""
        sentences += [f"{finding.group}: {text.removesuffix('.')}{where}." for text in finding_texts(finding)]
    add_sentences(root, sentences)


def add_sentences(root: Dataset, sentences: Iterable[str]) -> None:
    """Put sentences, each once, before the coded groups of a report; nothing where there is none."""
    said = dict.fromkeys(sentences)
    if not said:
        return
    words = ContainerContentItem(name=codes.concept(codes.FINDINGS), relationship_type="CONTAINS")
    words.ContentSequence = ContentSequence(
        [
            TextContentItem(name=codes.concept(codes.FINDING), value=sentence, relationship_type="CONTAINS")
            for sentence in said
        ]
    )
    coded = next(
        index
        for index, item in enumerate(root.ContentSequence)
        if item.ConceptNameCodeSequence[0].CodeValue == codes.IMAGING_MEASUREMENTS.value
    )
    root.ContentSequence.insert(coded, words)


def _drawn_item(
    request: ResultRequest, group: DrawnGroup
) -> PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    part = group.thing if group.primary else f"{group.thing}/{group.shape}/{group.frame}/{group.points}"
    tracking = _tracking(request, part, f"{group.thing}, {group.label}")
    finding_type = None if group.code is None else codes.concept(group.code)
    certainty = _certainty(group.confidence)
    item: PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations
    if group.shape is Shape.CALIPER:
        coordinates = _caliper(request, group)
        item = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            finding_type=finding_type,
            finding_sites=_sites(request, group.site),
            algorithm_id=_algorithm(request),
            measurements=[_measurement(quantity, coordinates) for quantity in group.quantities] + certainty,
        )
    else:
        item = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            referenced_region=_region(request, group),
            finding_type=finding_type,
            finding_sites=_sites(request, group.site),
            algorithm_id=_algorithm(request),
            measurements=[_measurement(quantity) for quantity in group.quantities] + certainty or None,
        )
    _add_comments(item[0], (text for quantity in group.quantities if (text := withheld_text(quantity))))
    return item


def _told_item(request: ResultRequest, group: ToldGroup) -> MeasurementsAndQualitativeEvaluations:
    measurements = [_measurement(quantity) for quantity in group.quantities]
    evaluations = []
    for category in group.categories:
        name = codes.named_concept(category.code, category.name)
        evaluations.append(QualitativeEvaluation(name, codes.concept(category.value)))
        if category.probability is not None:
            measurements.append(_percentage(codes.PROBABILITY, category.probability))
    item = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(request, group.thing, group.thing),
        finding_type=None if group.code is None else codes.concept(group.code),
        finding_sites=_sites(request, group.site),
        algorithm_id=_algorithm(request),
        measurements=(measurements + _certainty(group.confidence)) or None,
        qualitative_evaluations=evaluations or None,
        source_images=[_group_source(request, group)],
    )
    _add_comments(item[0], group.comments)
    return item


def _measurement(quantity: Quantity, coordinates: CoordinatesForMeasurement | None = None) -> Measurement:
    return Measurement(
        name=codes.named_concept(quantity.code, quantity.name),
        value=shown_value(quantity.value, quantity.unit),
        unit=codes.unit_concept(quantity.unit),
        method=None if quantity.method is None else codes.concept(quantity.method),
        referenced_coordinates=None if coordinates is None else [coordinates],
    )


def _percentage(name: DicomCode, fraction: float) -> Measurement:
    return Measurement(name=codes.concept(name), value=percent(fraction), unit=codes.concept(codes.PERCENT))


def _certainty(confidence: float | None) -> list[Measurement]:
    return [] if confidence is None else [_percentage(codes.CERTAINTY, confidence)]


def _add_comments(container: Dataset, texts: Iterable[str]) -> None:
    for text in texts:
        container.ContentSequence.append(
            TextContentItem(name=codes.concept(codes.COMMENT), value=text, relationship_type="CONTAINS")
        )


def _region(request: ResultRequest, group: DrawnGroup) -> ImageRegion:
    if group.shape is Shape.POINT:
        return ImageRegion("POINT", graphic_data(group.points), _region_source(request, group.frame))
    closed = group.points if group.points[0] == group.points[-1] else (*group.points, group.points[0])
    return ImageRegion("POLYLINE", graphic_data(closed), _region_source(request, group.frame))


def _caliper(request: ResultRequest, group: DrawnGroup) -> CoordinatesForMeasurement:
    # SourceImageForRegion, not SourceImageForMeasurement: the image is SELECTED FROM by a SCOORD, not INFERRED FROM.
    return CoordinatesForMeasurement("POLYLINE", graphic_data(group.points), _region_source(request, group.frame))


def _region_source(request: ResultRequest, frame: int) -> SourceImageForRegion:
    header = request.header
    frames = [frame] if request.multi_frame else None
    return SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID, frames)


def _group_source(request: ResultRequest, group: ToldGroup) -> SourceImageForMeasurementGroup:
    header = request.header
    frames = sorted(group.frames) if request.multi_frame else None
    return SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, frames)


def _tracking(request: ResultRequest, part: str, identifier: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=derived_uid(request.job_identity, "TRACK", part), identifier=identifier)


def _sites(request: ResultRequest, site: Code | None) -> list[FindingSite] | None:
    if site is None:
        return None
    laterality = side_of(request)
    return [FindingSite(codes.concept(site), None if laterality is None else codes.concept(laterality))]


def _algorithm(request: ResultRequest) -> AlgorithmIdentification:
    task = request.task
    return AlgorithmIdentification(
        name=task.task,
        version=task.version,
        parameters=[f"package {task.digest}", f"encoder {task.encoder_digest}"],
        family=codes.concept(codes.ARTIFICIAL_INTELLIGENCE),
        manufacturer=task.manufacturer,
    )
