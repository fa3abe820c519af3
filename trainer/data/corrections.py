"""Outlines that people drew or mended, out of Segmentations that came back to the archive.

Whether a segment is a person's word is said by Segment Algorithm Type: what a viewer saves after an edit is MANUAL or
SEMIAUTOMATIC, what a node sent is AUTOMATIC and is no label. A structure is named by its coded property type; labels
are free text, and free text may hold a name.

References
----------
DICOM PS3.3 C.8.20.2 (Segmentation Image), C.8.20.4 (Segment Description), C.7.6.16 (Multi-frame Functional Groups),
C.7.6.16.2.6 (Derivation Image).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.4"
BY_PEOPLE: Final = frozenset({"MANUAL", "SEMIAUTOMATIC"})
UNREADABLE: Final = "correction.unreadable: a segmentation that cannot be read"
NOT_BINARY: Final = "correction.not-binary: a segmentation that is not of the type BINARY"
# What pydicom raises on damaged values, and what a missing element is.
FAULTS: Final = (InvalidDicomError, OSError, AttributeError, LookupError, TypeError, ValueError, NotImplementedError)

Place: TypeAlias = tuple[str, int]  # SOP Instance UID of the image and its frame, from 1
Outline: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """All outlines by people that were found."""

    outlines: dict[Place, dict[str, Outline]] = field(default_factory=dict)  # (rows, columns) by structure
    left_out: dict[str, int] = field(default_factory=dict)  # segmentations that give none, by reason

    @property
    def values(self) -> dict[str, int]:
        """The value of each structure in masks: from 1, in the order of the names, the same for all images."""
        names = sorted({name for found in self.outlines.values() for name in found})
        return {name: value for value, name in enumerate(names, 1)}

    def frames_of(self, uid: str) -> list[int]:
        """The frames of an image that somebody outlined something on."""
        return sorted(frame for image, frame in self.outlines if image == uid)

    def mask(self, uid: str, frame: int, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
        """The mask (rows, columns) of a frame by `values`; None where nobody outlined anything, or on other rows and
        columns. Where outlines overlap the structure with the higher value has the pixel."""
        found = self.outlines.get((uid, frame), {})
        mask = np.zeros(shape, np.uint8)
        values = self.values
        for name in sorted(found):
            if found[name].shape != shape:
                return None
            mask[found[name]] = values[name]
        return mask if found else None


def read_corrections(folder: Path) -> Corrections:
    """The outlines by people in all segmentations below a folder; of two of one structure the later one stands."""
    left_out: Counter[str] = Counter()
    told: list[tuple[str, dict[Place, dict[str, Outline]]]] = []
    for path in sorted(folder.rglob("*.dcm")):
        try:
            if str(dcmread(path, specific_tags=["SOPClassUID"]).get("SOPClassUID", "")) != SEGMENTATION:
                continue
            ds = dcmread(path)
            if ds.SegmentationType == "BINARY":
                told.append((f"{ds.get('ContentDate', '')}{ds.get('ContentTime', '')}", _joined(ds)))
            else:
                left_out[NOT_BINARY] += 1
        except FAULTS:
            left_out[UNREADABLE] += 1
    outlines: dict[Place, dict[str, Outline]] = {}
    for _, said in sorted(told, key=lambda pair: pair[0]):
        for place, by_name in said.items():
            outlines.setdefault(place, {}).update(by_name)
    return Corrections(outlines=outlines, left_out=dict(left_out))


def _joined(ds: Dataset) -> dict[Place, dict[str, Outline]]:
    """What one segmentation says; several segments of one structure on one frame are joined."""
    said: dict[Place, dict[str, Outline]] = {}
    for place, name, outline in _outlines(ds):
        there = said.setdefault(place, {})
        there[name] = there[name] | outline if name in there else outline
    return said


def _outlines(ds: Dataset) -> Iterator[tuple[Place, str, Outline]]:
    names = {
        int(segment.SegmentNumber): str(segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning)
        for segment in ds.SegmentSequence
        if segment.SegmentAlgorithmType in BY_PEOPLE
    }
    if not names:
        return
    pixels = np.asarray(ds.pixel_array, dtype=bool).reshape(-1, int(ds.Rows), int(ds.Columns))
    shared = ds.get("SharedFunctionalGroupsSequence") or [Dataset()]
    for groups, outline in zip(ds.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        segment = _group("SegmentIdentificationSequence", groups, shared[0])
        name = names.get(int(segment.ReferencedSegmentNumber))
        if name is None:
            continue
        source = _group("DerivationImageSequence", groups, shared[0]).SourceImageSequence[0]
        numbers = source.get("ReferencedFrameNumber", 1)
        for frame in [numbers] if isinstance(numbers, int) else list(numbers):
            yield (str(source.ReferencedSOPInstanceUID), int(frame)), name, outline


def _group(keyword: str, frame: Dataset, shared: Dataset) -> Dataset:
    """What a functional group says of a frame: what is the same for all frames may stand once for all of them."""
    item: Dataset = (frame if keyword in frame else shared)[keyword].value[0]
    return item
