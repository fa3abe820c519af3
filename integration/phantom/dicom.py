"""Phantom scenes as DICOM ultrasound instances.

References
----------
DICOM PS3.3 A.6 and A.7 (US Image, US Multi-frame Image), C.8.5.5 (regions), C.7.6.5 (cine); PS3.5 A.4.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)
from rle.utils import encode_pixel_data

from integration.phantom.scene import MassTruth, Scene, SceneRegion

_NAMESPACE = UUID("6d0f1c2e-9a55-5d0b-8f0a-4b1f3a6f2c11")  # drawn once; the phantoms' UIDs are derived under it
_DATE, _TIME = "20260102", "101500"
JPEG_QUALITY = 90


class Encoding(StrEnum):
    """Transfer syntax of the pixel data."""

    EXPLICIT = "explicit"  # Explicit VR Little Endian, not compressed
    RLE = "rle"  # RLE Lossless
    JPEG = "jpeg"  # JPEG Baseline, colour as YBR_FULL_422


_SYNTAX = {
    Encoding.EXPLICIT: ExplicitVRLittleEndian,
    Encoding.RLE: RLELossless,
    Encoding.JPEG: JPEGBaseline8Bit,
}


def phantom_uid(*parts: object) -> str:
    """A UID that follows from its parts (UUIDv5 under 2.25)."""
    return f"2.25.{uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose image it pretends to be, and where it stands in its study."""

    study: str  # anything that names the study; UIDs follow from it
    series_number: int = 1
    instance_number: int = 1
    patient_name: str = "PHANTOM^SAMPLE"
    patient_id: str = "PHANTOM-0001"

    @property
    def study_instance_uid(self) -> str:
        return phantom_uid(self.study)

    @property
    def series_instance_uid(self) -> str:
        return phantom_uid(self.study, "series", self.series_number)

    @property
    def sop_instance_uid(self) -> str:
        return phantom_uid(self.study, "series", self.series_number, "instance", self.instance_number)


def write_still(scene: Scene, path: Path, identity: Identity, *, encoding: Encoding = Encoding.EXPLICIT) -> Path:
    """Write one scene as an Ultrasound Image.

    Parameters
    ----------
    scene
        What to write.
    path
        The file to write.
    identity
        Patient, study and place in it.
    encoding
        Transfer syntax.

    Returns
    -------
    Path
        `path`.
    """
    return _write([scene], path, identity, encoding, frame_time_ms=None)


def write_cine(
    scenes: Iterable[Scene],
    path: Path,
    identity: Identity,
    *,
    encoding: Encoding = Encoding.EXPLICIT,
    frame_time_ms: float = 40.0,
) -> Path:
    """Write scenes as the frames of an Ultrasound Multi-frame Image; one frame at a time is in memory.

    Parameters
    ----------
    scenes
        Frames of one size, at least one.
    path, identity, encoding
        As for `write_still`.
    frame_time_ms
        Time between frames.

    Raises
    ------
    ValueError
        There is no frame, frames differ in size, or the whole is larger than an element may be.
    """
    return _write(scenes, path, identity, encoding, frame_time_ms=frame_time_ms)


def _write(
    scenes: Iterable[Scene], path: Path, identity: Identity, encoding: Encoding, frame_time_ms: float | None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first: Scene | None = None
    lengths: list[int] = []
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        for scene in scenes:
            first = first or scene
            if scene.pixels.shape != first.pixels.shape:
                raise ValueError("the frames of a cine must all have one size")
            frame = _encoded(scene.pixels, encoding)
            lengths.append(len(frame))
            spool.write(frame)
        if first is None:
            raise ValueError("a cine needs at least one frame")
        ds = _header(first, identity, encoding, len(lengths), frame_time_ms)
        if encoding is Encoding.JPEG:
            _mark_lossy(ds, first.pixels.nbytes * len(lengths) / sum(lengths))
        with path.open("wb") as file:
            dcmwrite(file, ds, enforce_file_format=True)
            _append_pixels(file, spool, lengths, encapsulated=encoding is not Encoding.EXPLICIT)
    return path


def _encoded(pixels: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """One frame, of even length where it becomes an item."""
    if encoding is Encoding.EXPLICIT:
        return pixels.tobytes()
    if encoding is Encoding.RLE:
        samples = 1 if pixels.ndim == 2 else 3
        frame = bytes(
            encode_pixel_data(
                pixels.tobytes(),
                rows=pixels.shape[0],
                columns=pixels.shape[1],
                samples_per_pixel=samples,
                bits_allocated=8,
                number_of_frames=1,
                byteorder="<",
                photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
            )
        )
    else:
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:2")
        frame = stream.getvalue()
    return frame + b"\0" * (len(frame) % 2)


def _append_pixels(file: BinaryIO, spool: BinaryIO, lengths: list[int], *, encapsulated: bool) -> None:
    """Write the PixelData element behind a data set that lacks it (PixelData is the last one)."""
    spool.seek(0)
    head = b"\xe0\x7f\x10\x00OB\0\0"
    if not encapsulated:
        total = sum(lengths)
        if total > 0xFFFFFFFE:
            raise ValueError(f"{total} bytes of pixels are more than one element can hold: compress them")
        file.write(head + (total + total % 2).to_bytes(4, "little"))
        shutil.copyfileobj(spool, file, 1 << 20)
        file.write(b"\0" * (total % 2))
        return
    starts = np.cumsum([0] + [length + 8 for length in lengths[:-1]])
    table = starts.astype("<u4").tobytes() if starts[-1] < 1 << 32 else b""
    file.write(head + b"\xff\xff\xff\xff" + _item(len(table)) + table)
    for length in lengths:
        file.write(_item(length) + spool.read(length))
    file.write(b"\xfe\xff\xdd\xe0\0\0\0\0")


def _item(length: int) -> bytes:
    return b"\xfe\xff\x00\xe0" + length.to_bytes(4, "little")


def _header(scene: Scene, identity: Identity, encoding: Encoding, frames: int, frame_time_ms: float | None) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = _SYNTAX[encoding]
    ds.SOPClassUID = UltrasoundImageStorage if frame_time_ms is None else UltrasoundMultiFrameImageStorage
    ds.SOPInstanceUID = identity.sop_instance_uid
    _who_and_when(ds, identity)
    _what(ds, scene)
    _how_stored(ds, scene, encoding)
    if frame_time_ms is not None:
        ds.NumberOfFrames = frames
        ds.FrameTime = f"{frame_time_ms:.6g}"
        ds.FrameIncrementPointer = Tag(0x0018, 0x1063)
        ds.CineRate = max(1, round(1000 / frame_time_ms))
    return ds


def _who_and_when(ds: Dataset, identity: Identity) -> None:
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = identity.patient_name
    ds.PatientID = identity.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.PatientComments = "Computed phantom, not a patient"
    ds.StudyInstanceUID = identity.study_instance_uid
    ds.SeriesInstanceUID = identity.series_instance_uid
    ds.StudyID = "PHANTOM"
    ds.StudyDescription = "Computed ultrasound phantom"
    ds.AccessionNumber = "PHANTOM"
    ds.ReferringPhysicianName = ""
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = _TIME
    ds.SeriesNumber = identity.series_number
    ds.InstanceNumber = identity.instance_number
    ds.Modality = "US"
    ds.Manufacturer = "echocare-node"
    ds.ManufacturerModelName = "Phantom"
    ds.DeviceSerialNumber = "PHANTOM"
    ds.SoftwareVersions = "1"


def _what(ds: Dataset, scene: Scene) -> None:
    doppler = any(region.spatial_format == 3 for region in scene.regions)
    mode = "0009" if doppler else "0001"
    if isinstance(scene.truth, MassTruth):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "BREAST", mode]
        ds.BodyPartExamined = "BREAST"
        ds.Laterality = "L"
        ds.SeriesDescription = "Phantom breast"
        ds.TransducerType = "LINEAR"
    else:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "OBSTETRICAL", mode]
        ds.BodyPartExamined = "FETUS"
        ds.ImageLaterality = "U"
        ds.SeriesDescription = "Phantom fetal head"
        ds.TransducerType = "CURVED LINEAR"
    ds.PatientOrientation = ""
    ds.BurnedInAnnotation = "YES"
    ds.SequenceOfUltrasoundRegions = [_region(region) for region in scene.regions]


def _region(region: SceneRegion) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = region.spatial_format
    item.RegionDataType = region.data_type
    item.RegionFlags = 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = region.left, region.top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.right, region.bottom
    item.ReferencePixelX0, item.ReferencePixelY0 = region.reference_x, region.reference_y
    item.ReferencePixelPhysicalValueX = item.ReferencePixelPhysicalValueY = 0.0
    item.PhysicalUnitsXDirection, item.PhysicalUnitsYDirection = region.units_x, region.units_y
    item.PhysicalDeltaX, item.PhysicalDeltaY = region.delta_x, region.delta_y
    return item


def _how_stored(ds: Dataset, scene: Scene, encoding: Encoding) -> None:
    ds.Rows, ds.Columns = scene.pixels.shape[:2]
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    ds.SamplesPerPixel = 3 if scene.colour else 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.LossyImageCompression = "00"
    if scene.colour:
        ds.PhotometricInterpretation = "YBR_FULL_422" if encoding is Encoding.JPEG else "RGB"
        ds.PlanarConfiguration = 1 if encoding is Encoding.RLE else 0


def _mark_lossy(ds: Dataset, ratio: float) -> None:
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionRatio = f"{ratio:.4g}"
    ds.LossyImageCompressionMethod = "ISO_10918_1"
