"""Content items as reports outside TID 1500 are built of them.

References
----------
DICOM PS3.16 TID 300 and TID 320 (a measurement and where it was taken), TID 1001 (observation context), TID 1204
(language).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    NumContentItem,
    ScoordContentItem,
    TextContentItem,
)
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from integration.results import codes
from integration.results.observer import observer_context
from integration.results.request import ResultRequest
from integration.results.values import shown_value
from models.findings import Code, Measure, Point, Quantity

CENTRE_OF_PIXEL = 0.5  # SCOORD counts from the first pixel's corner, findings from its centre (PS3.3 C.18.6.1)


def root_of(request: ResultRequest, title: DicomCode, template: str, sections: Iterable[ContentItem]) -> Dataset:
    """The root container of a report that a device made: language, observer, then its sections."""
    root = ContainerContentItem(name=codes.concept(title), template_id=template)
    content = ContentSequence()
    content.extend(LanguageOfContentItemAndDescendants(codes.concept(codes.ENGLISH)))
    content.extend(observer_context(request))
    content.extend(sections)
    root.ContentSequence = content
    return root


def section(name: DicomCode, items: Iterable[ContentItem]) -> ContainerContentItem:
    """A container within a report."""
    container = ContainerContentItem(name=codes.concept(name), relationship_type="CONTAINS")
    container.ContentSequence = ContentSequence(list(items))
    return container


def number(name: Code | DicomCode, value: float, unit: DicomCode, children: Iterable[ContentItem]) -> NumContentItem:
    """A value with what belongs to it."""
    item = NumContentItem(codes.concept(name), value, codes.concept(unit), relationship_type="CONTAINS")
    item.ContentSequence = ContentSequence(list(children))
    return item


def text(name: DicomCode, words: str, relationship: str) -> TextContentItem:
    """Words for a reader."""
    return TextContentItem(name=codes.concept(name), value=words, relationship_type=relationship)


def code(name: DicomCode, value: Code | DicomCode, relationship: str) -> CodeContentItem:
    """One of a set."""
    return CodeContentItem(name=codes.concept(name), value=codes.concept(value), relationship_type=relationship)


def measured_where(request: ResultRequest, quantity: Quantity) -> ScoordContentItem:
    """The points on their frame that a quantity was measured at: an outline is closed, a caliper open (TID 320)."""
    points = quantity.points
    if len(points) > 2 and quantity.measure is not Measure.LENGTH and points[0] != points[-1]:
        points = (*points, points[0])
    item = ScoordContentItem(
        name=codes.concept(codes.SOURCE_OF_MEASUREMENT),
        graphic_type="POLYLINE",
        graphic_data=graphic_data(points),
        relationship_type="INFERRED FROM",
    )
    item.ContentSequence = ContentSequence([_image(request, {quantity.frame}, "SELECTED FROM")])
    return item


def measured_in(request: ResultRequest, frames: set[int]) -> ImageContentItem:
    """The frames that a value without coordinates was taken from (TID 320)."""
    return _image(request, frames, "INFERRED FROM")


def graphic_data(points: tuple[Point, ...]) -> NDArray[np.float32]:
    """Points of findings as columns and rows of spatial coordinates."""
    return np.asarray(points, np.float32) + np.float32(CENTRE_OF_PIXEL)


def shown(quantity: Quantity) -> float:
    """The value with the digits that are shown everywhere."""
    return float(shown_value(quantity.value, quantity.unit))


def _image(request: ResultRequest, frames: set[int], relationship: str) -> ImageContentItem:
    header = request.header
    return ImageContentItem(
        name=codes.concept(codes.SOURCE_OF_MEASUREMENT),
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        referenced_frame_numbers=sorted(frames) if request.multi_frame else None,
        relationship_type=relationship,
    )
