"""An SR document as one of a simpler SOP class, for peers that do not take its own.

The content is the same to the letter. The object is another one, so it has a SOP Instance UID of its own, which follows
from the document's and the class: sent again it is the same again. A predecessor that is of a class that can be
simplified too is referred to as its simpler self, because this is what such a peer was sent of it.

References
----------
DICOM PS3.3 A.35.2 (Enhanced SR), A.35.3 (Comprehensive SR), A.35.13 (Comprehensive 3D SR) with the relationship content
constraints of their tables -2, PS3.5 9.1 (one UID, one object), B.2 (UUID derived UID).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from pydicom import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SimplifiedAdultEchoSRStorage,
)

SIMPLER: Final = MappingProxyType(
    {
        str(Comprehensive3DSRStorage): (str(ComprehensiveSRStorage), str(EnhancedSRStorage)),
        str(SimplifiedAdultEchoSRStorage): (str(ComprehensiveSRStorage), str(EnhancedSRStorage)),
        str(ComprehensiveSRStorage): (str(EnhancedSRStorage),),
    }
)
VALUE_TYPES: Final = frozenset(
    (
        "CONTAINER", "TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME", "SCOORD", "TCOORD",
        "COMPOSITE", "IMAGE", "WAVEFORM",
    )
)  # fmt: skip
_NAMESPACE: Final = uuid.UUID("5b0a9d6e-3c41-5d7b-8f02-64c1d9e7a310")  # ours, fixed for ever


def simpler_classes(sop_class: str) -> tuple[str, ...]:
    """The SOP classes that can stand in for one, the richest first; none for what is no such SR document."""
    return SIMPLER.get(sop_class, ())


def stand_in_uid(sop_instance: str, sop_class: str) -> str:
    """The SOP Instance UID of a document as another class: always the same one, at most 44 characters."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{sop_instance} as {sop_class}').int}"


def obstacle(ds: Dataset, sop_class: str) -> str | None:
    """Why a document cannot be of a simpler class, in words without its content; None: it can."""
    enhanced = sop_class == EnhancedSRStorage
    for parent, item in _items(ds):
        if "ReferencedContentItemIdentifier" in item:
            if enhanced:
                return "it refers to content items by reference"
            continue
        kind, source = str(item.get("ValueType", "")), str(parent.get("ValueType", ""))
        relation = str(item.get("RelationshipType", ""))
        if kind not in VALUE_TYPES:
            return f"it has a content item of value type {kind or 'none'}"
        if enhanced and kind == "CONTAINER" and relation != "CONTAINS":
            return f"it has a CONTAINER by {relation}"
        if enhanced and relation == "HAS OBS CONTEXT" and source != "CONTAINER":
            return f"it has an observation context of a {source}"
    return None


def stand_in(ds: Dataset, sop_class: str) -> Dataset:
    """The document as one of a simpler class; changes and returns the data set it is given."""
    ds.SOPInstanceUID = stand_in_uid(str(ds.SOPInstanceUID), sop_class)
    ds.SOPClassUID = sop_class
    for study in ds.get("PredecessorDocumentsSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for item in series.get("ReferencedSOPSequence") or ():
                if sop_class in simpler_classes(str(item.ReferencedSOPClassUID)):
                    item.ReferencedSOPInstanceUID = stand_in_uid(str(item.ReferencedSOPInstanceUID), sop_class)
                    item.ReferencedSOPClassUID = sop_class
    return ds


def _items(node: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    """Every content item below a node, with its parent."""
    for item in node.get("ContentSequence") or ():
        yield node, item
        yield from _items(item)
