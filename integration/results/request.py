"""What goes into the writing of results, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from integration.pixels.calibration import Calibration
from models.findings import Finding, TaskIdentity

Predecessor: TypeAlias = tuple[str, str, str, str]
"""SOP Class, SOP Instance, Study and Series Instance UID of a result of the revision before."""


class SegmentationType(StrEnum):
    """How masks are stored (PS3.3 C.8.20.2.3)."""

    BINARY = "binary"
    LABELMAP = "labelmap"
    FRACTIONAL = "fractional"  # probabilities, of masks that all have them


class Source(Protocol):
    """The part of `integration.pixels.SourceImage` that results are made from."""

    header: Dataset  # without pixel data
    rows: int
    columns: int
    number_of_frames: int
    calibration: Calibration

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Frame number from 1 and its pixels, one after another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultOptions:
    """Choices of the site."""

    ohif_compat: bool = True  # plane orientation and pixel measures in the SEG, without which OHIF does not draw it
    research_use: bool = True  # mark every object "not for diagnosis"
    institution_name: str | None = None  # None: that of the source
    objects: tuple[str, ...] | None = None  # kinds that are written, of `ObjectKind`; None: `objects.DEFAULT`
    segmentation: SegmentationType = SegmentationType.BINARY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResultRequest:
    """One job's answer about one source instance.

    The same request gives the same bytes, whenever and however often it is written.
    """

    source: Source
    findings: tuple[Finding, ...]
    task: TaskIdentity
    job_identity: str  # hexadecimal; every UID of the results follows from it
    revision_number: int
    created_at: datetime  # aware, UTC; kept with the job, so that a replay has the same
    predecessor: tuple[Predecessor, ...] | None = None
    predecessor_files: tuple[Path, ...] = ()  # where these lie, as far as they still do: what changed is read there
    changes: tuple[str, ...] = ()  # what differs from the revision before, in sentences
    options: ResultOptions = field(default_factory=ResultOptions)

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise ValueError("created_at must be aware of its time zone")

    @property
    def header(self) -> Dataset:
        """The source's attributes."""
        return self.source.header

    @property
    def multi_frame(self) -> bool:
        """Whether references to the source name a frame: only where NumberOfFrames is declared (PS3.3 10.3)."""
        declared: Any = self.header.get("NumberOfFrames")
        return declared not in (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One written result."""

    role: str  # "SEG", "SR", "SR-TEXT", "SC", "ENH" (a processed picture), "PR", "KOS" or "PDF"
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    path: Path
    sha256: str  # of the whole file, hexadecimal
