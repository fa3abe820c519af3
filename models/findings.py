"""What a task says about an image: typed, frozen, free of torch and of DICOM objects.

Coordinates are pixels of the source frame, x to the right, y down, (0, 0) at the centre of the top-left pixel.
Frame numbers count from 1, as ReferencedFrameNumber does; a still is frame 1.

References
----------
DICOM PS3.16 TID 1410 and TID 1501 (measurement groups), PS3.3 C.8.20 (segments).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A coded concept: one row of a coding scheme."""

    value: str  # CodeValue, "11984-2"
    scheme: str  # CodingSchemeDesignator, "LN", "SCT", "DCM"
    meaning: str  # CodeMeaning, at most 64 characters


class Measure(StrEnum):
    """How a quantity follows from its points; it decides how pixels become millimetres."""

    LENGTH = "length"  # sum of the open polyline's segments; a caliper has two points
    PERIMETER = "perimeter"  # of the closed polygon
    AREA = "area"  # of the closed polygon
    VOLUME = "volume"  # of a pile of round discs between the sides of the closed polygon, see `Quantity.points`
    NONE = "none"  # no geometry: a probability, a ratio, a count

    @property
    def closed(self) -> bool:
        """Whether the points are the corners of a closed polygon."""
        return self in (Measure.PERIMETER, Measure.AREA, Measure.VOLUME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What all findings share. `group` names the thing found: findings of one group describe one thing."""

    name: str  # words for a reader, "head circumference"
    group: str  # "fetal head 1"; tracking identifiers follow from it
    frame: int  # 1-based frame of the source instance
    code: Code | None = None  # the concept that `name` says
    site: Code | None = None  # anatomic region
    confidence: float | None = None  # 0 to 1, the task's own belief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask(Finding):
    """Pixels that belong to one structure, one bit each: `code` is the segment's property type."""

    category: Code  # segmented property category (PS3.16 CID 7150)
    rows: int
    columns: int
    deflated: bytes  # zlib of the row-major mask, one bit a pixel: a clip has thousands
    likely: bytes | None = None  # zlib of the row-major probabilities, a byte a pixel; None: the engine was not asked

    @classmethod
    def deflate(cls, mask: NDArray[np.bool_]) -> bytes:
        """A boolean mask of shape (rows, columns) for the field `deflated`."""
        return zlib.compress(np.packbits(mask, axis=None).tobytes(), 1)

    @classmethod
    def deflate_likely(cls, probabilities: NDArray[np.float32]) -> bytes:
        """Probabilities of 0 to 1, shape (rows, columns), for the field `likely`: 255 is 1."""
        return zlib.compress(np.rint(255 * np.clip(probabilities, 0, 1)).astype(np.uint8).tobytes(), 1)

    @property
    def packed(self) -> NDArray[np.uint8]:
        """As `numpy.packbits` of the row-major mask."""
        return np.frombuffer(zlib.decompress(self.deflated), np.uint8)

    def to_array(self) -> NDArray[np.bool_]:
        """The mask as bool, shape (rows, columns)."""
        bits = np.unpackbits(self.packed, count=self.rows * self.columns)
        return bits.reshape(self.rows, self.columns).astype(bool)

    def probabilities(self) -> NDArray[np.uint8] | None:
        """What a head said of each pixel, shape (rows, columns), 255 for 1; None where it is not kept."""
        if self.likely is None:
            return None
        return np.frombuffer(zlib.decompress(self.likely), np.uint8).reshape(self.rows, self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box(Finding):
    """An axis-parallel rectangle round a structure."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks(Finding):
    """Named points."""

    points: tuple[Point, ...]
    labels: tuple[str, ...]  # one for each point


@dataclass(frozen=True, slots=True, kw_only=True)
class Category(Finding):
    """One of a closed set of answers: `code` is the question, `value` the answer."""

    value: Code
    probability: float | None = None  # calibrated, of `value`


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity(Finding):
    """A measured or estimated number.

    A task gives geometric quantities in pixels ("px", "px2", "px3"); `integration.pixels.measure.in_physical_units`
    turns them into mm, mm2 or ml where the image proves the scale. Otherwise lengths and areas stay in pixels, with
    `reason` set, and a volume is not said.

    The polygon of a volume begins at one end of the long axis and goes down one side of its discs to the other end,
    which lies halfway through the points, and up the other side: points at the same distance from the first one are
    the two ends of a disc.
    """

    value: float
    unit: str  # UCUM code, or "px" / "px2" / "px3" (UCUM: {pixels}) where no scale is proven
    measure: Measure = Measure.NONE
    points: tuple[Point, ...] = ()  # the caliper's ends or the outline the value was taken from
    reason: str | None = None  # why no physical unit could be given, in words for the report
    method: Code | None = None  # how it was measured, where the code does not say it (PS3.16 CID 12227)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnhancedImage(Finding):
    """A processed picture of the same size as the source frame."""

    pixels: NDArray[np.uint8]  # (rows, columns) or (rows, columns, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrative(Finding):
    """Text that says nothing that is not also coded."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFinding(Finding):
    """The task looked and says nothing, because of `reason`; never an empty answer."""

    reason: str  # in words for the report: "not a fetal head (scope score 0.02 < 0.50)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskIdentity:
    """Which task package spoke; goes into every result."""

    task: str  # "fetal-head"
    version: str  # of the card
    digest: str  # "sha256:…" over card and weights
    encoder_digest: str  # "sha256:…" of the encoder's weights
    manufacturer: str = "echocare-node"
    trial: str = ""  # why it is a trial, whose results nobody should rely on; empty: it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFindings:
    """What one task says of the frames it was given."""

    identity: TaskIdentity
    findings: tuple[Finding, ...]


def rle(mask: NDArray[np.bool_]) -> list[int]:
    """Row-major run lengths, zeros first (the first run may be 0).

    Parameters
    ----------
    mask
        Boolean, (rows, columns).

    Returns
    -------
    list of int
        Runs of 0, 1, 0, …; they add up to rows x columns.
    """
    flat = mask.ravel()
    if flat.size == 0:
        return []
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return ([0] if flat[0] else []) + [int(run) for run in runs]


def from_rle(runs: Sequence[int], rows: int, columns: int) -> NDArray[np.bool_]:
    """The inverse of `rle`.

    Raises
    ------
    ValueError
        The runs do not add up to rows x columns.
    """
    if sum(runs) != rows * columns:
        raise ValueError(f"run lengths add up to {sum(runs)}, not to {rows} x {columns}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(rows, columns)
