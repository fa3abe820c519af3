"""Ultrasound instances of every kind that results must go with, and findings of known place."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pydicom import Dataset, Sequence, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from integration.pixels import SourceImage, in_physical_units, open_image
from integration.results import ResultOptions, ResultRequest
from models.findings import Category, Code, Finding, Mask, Measure, NoFinding, Quantity, TaskIdentity

ROWS, COLUMNS, FRAMES = 120, 161, 5
CENTRE, AXES = (80.0, 60.0), (40.0, 30.0)
MM_PER_PIXEL = 0.5
TASK = TaskIdentity(
    task="fetal-head", version="1.2.0", digest="sha256:" + "ab" * 32, encoder_digest="sha256:" + "cd" * 32
)
CREATED_AT = datetime.datetime(2026, 11, 24, 8, 30, 15, tzinfo=datetime.UTC)
HEAD = Code(value="69536005", scheme="SCT", meaning="Head")
MASS = Code(value="4147007", scheme="SCT", meaning="Mass")
BREAST = Code(value="76752008", scheme="SCT", meaning="Breast")
ANATOMY = Code(value="91723000", scheme="SCT", meaning="Anatomical Structure")
MORPHOLOGY = Code(value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure")
HC = Code(value="11984-2", scheme="LN", meaning="Head Circumference")
BPD = Code(value="11820-8", scheme="LN", meaning="Biparietal Diameter")
OFD = Code(value="11851-3", scheme="LN", meaning="Occipital-Frontal Diameter")
MALIGNANT = Code(value="21594007", scheme="SCT", meaning="Malignant")
IMPRESSION = Code(value="111005", scheme="DCM", meaning="Assessment Category")


def region(left: int, top: int, right: int, bottom: int, *, mm: float = MM_PER_PIXEL) -> Dataset:
    """A two-dimensional tissue region of square pixels."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    item.ReferencePixelX0, item.ReferencePixelY0 = 0, 0
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.ReferencePixelPhysicalValueX = item.ReferencePixelPhysicalValueY = 0.0
    item.PhysicalDeltaX = item.PhysicalDeltaY = mm / 10
    return item


WHOLE = (0, 0, COLUMNS - 1, ROWS - 1)


def write_source(
    path: Path,
    *,
    frames: int = 1,
    kind: str = "RGB",
    regions: tuple[Dataset, ...] | None = None,
    rows: int = ROWS,
    columns: int = COLUMNS,
    character_set: str | list[str] | None = None,
    text: Mapping[str, object] = {},
) -> SourceImage:
    """Write an ultrasound instance and open it.

    Parameters
    ----------
    kind
        "RGB", "PALETTE", "YBR" (JPEG baseline, 4:2:2) or "MONO".
    regions
        None: one over the whole frame.
    text
        Attributes to set over the defaults; None deletes.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "YBR" else ExplicitVRLittleEndian
    if character_set is not None:
        ds.SpecificCharacterSet = character_set
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage if frames > 1 else UltrasoundImageStorage
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.111", "2.25.222", "2.25.333"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "PHANTOM^SAMPLE", "PHANTOM-0001", "", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260102", "101500", "1", "A1"
    ds.ReferringPhysicianName = ""
    ds.SeriesNumber, ds.InstanceNumber, ds.Modality, ds.Manufacturer = 1, 1, "US", "phantom"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0011"]
    ds.PatientOrientation = None
    ds.BodyPartExamined = "ABDOMEN"
    ds.LossyImageCompression = "00"
    if regions is None:
        regions = (region(0, 0, columns - 1, rows - 1),)
    if regions:
        ds.SequenceOfUltrasoundRegions = Sequence(regions)
    if frames > 1:
        ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = frames, "33.3", Tag("FrameTime")
    ds.Rows, ds.Columns = rows, columns
    _add_pixels(ds, kind, frames)
    for keyword, value in text.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    dcmwrite(path, ds, enforce_file_format=True)
    return open_image(path)


def _add_pixels(ds: Dataset, kind: str, frames: int) -> None:
    rng = np.random.default_rng(3)
    gray = rng.integers(30, 120, (frames, ds.Rows, ds.Columns), np.uint8)
    gray[:, 1::2] = gray[:, ::2][:, : gray[:, 1::2].shape[1]]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.SamplesPerPixel = 1 if kind in ("MONO", "PALETTE") else 3
    ds.PhotometricInterpretation = {"MONO": "MONOCHROME2", "PALETTE": "PALETTE COLOR", "YBR": "YBR_FULL_422"}.get(
        kind, "RGB"
    )
    if kind == "PALETTE":
        for name in ("Red", "Green", "Blue"):
            setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(ds, f"{name}PaletteColorLookupTableData", (np.arange(256, dtype="<u2") * 257).tobytes())
    if ds.SamplesPerPixel == 1:
        raw = gray.tobytes()
    else:
        ds.PlanarConfiguration = 0
        raw = np.repeat(gray[..., None], 3, -1).tobytes()
    if kind == "YBR":
        coded = [_jpeg(frame) for frame in np.repeat(gray[..., None], 3, -1)]
        ds.PixelData = encapsulate(coded)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionRatio = f"{len(raw) / sum(map(len, coded)):.2f}"
        ds.LossyImageCompressionMethod = "ISO_10918_1"
        return
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OB"


def _jpeg(frame: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=90, subsampling="4:2:2")
    return stream.getvalue()


def ellipse(rows: int, columns: int, centre=CENTRE, axes=AXES) -> np.ndarray:
    """A filled ellipse as bool."""
    drawn = np.zeros((rows, columns), np.uint8)
    cv2.ellipse(drawn, (int(centre[0]), int(centre[1])), (int(axes[0]), int(axes[1])), 0, 0, 360, 1, -1)
    return drawn.astype(bool)


def outline(centre=CENTRE, axes=AXES, points: int = 72) -> tuple[tuple[float, float], ...]:
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return tuple((centre[0] + axes[0] * float(np.cos(a)), centre[1] + axes[1] * float(np.sin(a))) for a in angles)


def head_findings(source: SourceImage, *, frames: tuple[int, ...] = (1,), best: int = 1, scaled: bool = True):
    """A fetal head: masks on some frames, circumference and two diameters on one."""
    group, (x, y), (a, b) = "fetal head 1", CENTRE, AXES
    masks: list[Finding] = [
        Mask(
            name="fetal head",
            group=group,
            frame=frame,
            code=HEAD,
            site=HEAD,
            confidence=0.93,
            category=ANATOMY,
            rows=source.rows,
            columns=source.columns,
            deflated=Mask.deflate(ellipse(source.rows, source.columns, (x + frame, y), (a, b))),
        )
        for frame in frames
    ]
    length = {"group": group, "frame": best, "site": HEAD, "confidence": 0.93}
    measured: list[Finding] = [
        Quantity(
            name="head circumference",
            code=HC,
            value=220.0,
            unit="px",
            measure=Measure.PERIMETER,
            points=outline(),
            **length,
        ),
        Quantity(
            name="biparietal diameter",
            code=BPD,
            value=2 * b,
            unit="px",
            measure=Measure.LENGTH,
            points=((x, y - b), (x, y + b)),
            **length,
        ),
        Quantity(
            name="occipitofrontal diameter",
            code=OFD,
            value=2 * a,
            unit="px",
            measure=Measure.LENGTH,
            points=((x - a, y), (x + a, y)),
            **length,
        ),
    ]
    findings = (*masks, *measured)
    return in_physical_units(findings, source.calibration) if scaled else findings


def lesion_findings(source: SourceImage, *, frame: int = 1) -> tuple[Finding, ...]:
    """A second thing: a mass with an answer of its own, beside the head and overlapping it a little."""
    mask = Mask(
        name="breast mass",
        group="breast mass 1",
        frame=frame,
        code=MASS,
        site=BREAST,
        category=MORPHOLOGY,
        rows=source.rows,
        columns=source.columns,
        deflated=Mask.deflate(ellipse(source.rows, source.columns, (120, 80), (15, 10))),
    )
    answer = Category(
        name="assessment",
        group="breast mass 1",
        frame=frame,
        code=IMPRESSION,
        site=BREAST,
        value=MALIGNANT,
        probability=0.714,
    )
    return mask, answer


def with_probabilities(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same with probabilities of their masks' pixels: above a half inside, falling off over some pixels."""
    return tuple(replace(each, likely=_blurred(each)) if isinstance(each, Mask) else each for each in findings)


def _blurred(mask: Mask) -> bytes:
    soft = cv2.GaussianBlur(mask.to_array().astype(np.float32), (0, 0), 2)
    return Mask.deflate_likely(np.where(mask.to_array(), np.maximum(soft, 0.51), np.minimum(soft, 0.49)))


def no_finding(frame: int = 1) -> tuple[Finding, ...]:
    return (
        NoFinding(
            name="fetal head", group="fetal head", frame=frame, reason="not a fetal head (scope score 0.02 < 0.50)"
        ),
    )


def request_of(source: SourceImage, findings: tuple[Finding, ...], **changes) -> ResultRequest:
    request = ResultRequest(
        source=source,
        findings=findings,
        task=TASK,
        job_identity="0123456789abcdef" * 4,
        revision_number=1,
        created_at=CREATED_AT,
        options=ResultOptions(),
    )
    return replace(request, **changes)
