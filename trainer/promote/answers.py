"""What results of a node say of each image, read back so that two packages can be compared.

References
----------
DICOM PS3.16 TID 1500 (Measurement Report), TID 1501 (Measurement Group); PS3.3 C.8.20 (Segmentation).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from trainer.data.reports import GROUP, concept_of, images_of, items_below
from trainer.promote.errors import NodeSilent

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.4"
TRACKING: Final = "112039"  # DCM, Tracking Identifier
CERTAINTY: Final = "111012"  # DCM, Certainty of Finding: how sure an answer is, not an answer
PERCENT: Final = "%"


@dataclass(slots=True, kw_only=True)
class Said:
    """What one package said of one image. Empty: nothing, because it was out of scope, poor or unsure."""

    codes: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # answers by thing and concept
    numbers: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)  # by thing, concept, unit
    masks: dict[tuple[str, int], NDArray[np.bool_]] = field(default_factory=dict)  # (rows, columns) by type and frame

    @property
    def anything(self) -> bool:
        """Whether it said anything."""
        return bool(self.codes or self.numbers or self.masks)


def read_answers(files: Iterable[Path]) -> dict[str, Said]:
    """What the results of one job say, by SOP Instance UID of the image.

    Raises
    ------
    NodeSilent
        A file is not there or is no DICOM file.
    """
    said: dict[str, Said] = {}
    for path in files:
        try:
            ds = dcmread(path)
        except (OSError, InvalidDicomError) as fault:
            raise NodeSilent(
                f"the node names a result that cannot be read ({fault}): let shadow.results be the node's folder of"
                " results"
            ) from fault
        if ds.SOPClassUID == SEGMENTATION:
            _add_masks(ds, said)
        elif "ContentSequence" in ds:
            _add_groups(ds, said)
    return said


def differences(one: Said, other: Said, overlap: float, tolerance: float) -> list[str]:
    """In what two answers about one image differ; empty where they agree.

    Parameters
    ----------
    overlap
        Dice over all frames from which two outlines agree.
    tolerance
        Share by which two measurements may differ; of percentages, of 100 points.
    """
    if one.anything != other.anything:
        return ["only one of both says anything"]
    found = []
    if one.codes != other.codes:
        found.append("another answer")
    if one.numbers.keys() != other.numbers.keys():
        found.append("other measurements")
    shared = one.numbers.keys() & other.numbers.keys()
    if any(_apart(key[2], one.numbers[key], other.numbers[key], tolerance) for key in shared):
        found.append("another value")
    types = {name for name, _ in (*one.masks, *other.masks)}
    if any(_dice(one, other, name) < overlap for name in types):
        found.append("another outline")
    return found


def _apart(unit: str, one: list[float], other: list[float], tolerance: float) -> bool:
    first, second = float(np.median(one)), float(np.median(other))
    return abs(first - second) > tolerance * (100 if unit == PERCENT else max(abs(first), abs(second)))


def _dice(one: Said, other: Said, name: str) -> float:
    """Over all frames; outlines of other rows and columns have nothing in common."""
    shared = whole = 0
    for key in {key for key in (*one.masks, *other.masks) if key[0] == name}:
        sides = [side.masks[key] for side in (one, other) if key in side.masks]
        whole += sum(int(mask.sum()) for mask in sides)
        if len(sides) == 2 and sides[0].shape == sides[1].shape:
            shared += int((sides[0] & sides[1]).sum())
    return 2 * shared / whole if whole else 1.0


def _add_masks(ds: Dataset, said: dict[str, Said]) -> None:
    types = {
        int(segment.SegmentNumber): str(segment.SegmentedPropertyTypeCodeSequence[0].CodeValue)
        for segment in ds.SegmentSequence
    }
    pixels = np.asarray(ds.pixel_array).reshape(-1, int(ds.Rows), int(ds.Columns)) > 0
    for groups, mask in zip(ds.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        name = types[int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        key = (name, int(source.get("ReferencedFrameNumber", 1)))
        masks = said.setdefault(str(source.ReferencedSOPInstanceUID), Said()).masks
        masks[key] = masks[key] | mask if key in masks else mask


def _add_groups(ds: Dataset, said: dict[str, Said]) -> None:
    for group in items_below(ds):
        if group.ValueType != "CONTAINER" or concept_of(group) != GROUP:
            continue
        inside = list(group.get("ContentSequence", []))
        thing = next((str(item.TextValue) for item in inside if concept_of(item) == TRACKING), "")
        for uid in images_of(group):
            into = said.setdefault(uid, Said())
            for item in inside:
                _add_item(item, thing, into)


def _add_item(item: Dataset, thing: str, into: Said) -> None:
    concept = concept_of(item)
    if item.get("RelationshipType") != "CONTAINS" or concept == CERTAINTY:
        return
    if item.ValueType == "CODE":
        into.codes.setdefault((thing, concept), set()).add(str(item.ConceptCodeSequence[0].CodeValue))
    elif item.ValueType == "NUM" and item.get("MeasuredValueSequence"):
        value = item.MeasuredValueSequence[0]
        unit = str(value.MeasurementUnitsCodeSequence[0].CodeValue)
        into.numbers.setdefault((thing, concept, unit), []).append(float(value.NumericValue))
