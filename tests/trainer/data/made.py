"""Sources for the tests, made from phantoms and noise: no patient is in them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from integration.phantom import Identity, breast_mass, write_cine, write_still

SECRETS = ("ZZNAME", "ZZID77", "ZZDOCTOR", "ZZCLINIC", "ZZSTATION", "ZZACCESSION", "19020304")


def dicom_file(path: Path, *, seed: int = 1, patient: str = "ZZID77", frames: int = 1, **attributes: object) -> Path:
    """An ultrasound image of a breast phantom that declares its region and holds every secret in its header."""
    identity = Identity(study=f"made/{seed}", patient_name="ZZNAME^A", patient_id=patient)
    scenes = [breast_mass(seed * 100 + i, malignant=True, rows=192, columns=256) for i in range(frames)]
    if frames == 1:
        write_still(scenes[0], path, identity)
    else:
        write_cine(scenes, path, identity)
    ds = dcmread(path)
    ds.ReferringPhysicianName, ds.InstitutionName, ds.StationName = "ZZDOCTOR^B", "ZZCLINIC", "ZZSTATION"
    ds.AccessionNumber, ds.PatientBirthDate = "ZZACCESSION", "19020304"
    ds.add_new(0x00091001, "LO", "ZZNAME in a private element")
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.save_as(path)
    return path


def one_region(path: Path, left: int, top: int, right: int, bottom: int) -> None:
    """Let a file declare one region of tissue, of 0.5 mm a pixel."""
    ds = dcmread(path)
    region = ds.SequenceOfUltrasoundRegions[0]
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    ds.SequenceOfUltrasoundRegions = [region]
    ds.save_as(path)


def noise(seed: int, size: int = 96) -> np.ndarray:
    """Smooth noise: pictures of two seeds are nothing alike."""
    rng = np.random.default_rng(seed)
    blurred = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), 6)
    return cv2.normalize(blurred, None, 20, 120, cv2.NORM_MINMAX).astype(np.uint8)


def image_folder(folder: Path, pictures: dict[str, np.ndarray], **columns: dict[str, str]) -> Path:
    """An image folder; a column is given by the values of some of its pictures."""
    (folder / "images").mkdir(parents=True)
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / "images" / f"{name}.png"), picture)
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "patient_id", "image", *columns])
        writer.writeheader()
        for name in pictures:
            cells = {column: values.get(name, "") for column, values in columns.items()}
            writer.writerow({"id": name, "patient_id": f"p-{name}", "image": f"images/{name}.png", **cells})
    return folder


def segmentation(
    path: Path, image: Path, outlines: dict[int, np.ndarray], *, by: str = "MANUAL", at: str = "101500", kind="BINARY"
) -> Path:
    """A segmentation of one structure, "Nodule", on frames of an image, as a viewer would send it back."""
    source = dcmread(image, stop_before_pixels=True)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", generate_uid(entropy_srcs=[str(path)])
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = source.StudyInstanceUID, generate_uid(entropy_srcs=[str(path), "s"])
    ds.Modality, ds.ContentDate, ds.ContentTime, ds.SegmentationType = "SEG", "20260501", at, kind
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    ds.Rows, ds.Columns = next(iter(outlines.values())).shape
    segment, name = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "27925004", "SCT", "Nodule"
    segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType = 1, "ZZNAME's lump", by
    segment.SegmentedPropertyTypeCodeSequence = [name]
    ds.SegmentSequence, ds.PerFrameFunctionalGroupsSequence = [segment], []
    for frame in outlines:
        groups, derivation, origin, number = Dataset(), Dataset(), Dataset(), Dataset()
        origin.ReferencedSOPClassUID, origin.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
        origin.ReferencedFrameNumber = frame
        derivation.SourceImageSequence, number.ReferencedSegmentNumber = [origin], 1
        groups.DerivationImageSequence, groups.SegmentIdentificationSequence = [derivation], [number]
        ds.PerFrameFunctionalGroupsSequence.append(groups)
    ds.NumberOfFrames = len(outlines)
    bits = np.packbits(np.concatenate([each.ravel() for each in outlines.values()]), bitorder="little").tobytes()
    ds.PixelData = bits + b"\0" * (len(bits) % 2)
    ds["PixelData"].VR = "OB"
    ds.save_as(path, enforce_file_format=True)
    return path
