"""Data sets to receive: small, synthetic, and clearly nobody's."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from node.archive import FileMeta
from node.archive.beginning import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
US_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3.1"


def still(
    instance: str = "1.2.3.4", *, study: str = "1.2.3", sop_class: str = US_IMAGE, side: int = 16, **elements: object
) -> Dataset:
    """A grey ultrasound still of `side` x `side` pixels."""
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = instance
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = f"{study}.1"
    ds.PatientName = "PHANTOM^TEST"
    ds.PatientID = "PHANTOM-TEST"
    ds.Modality = "US"
    ds.Rows = ds.Columns = side
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    ds.PixelData = (bytes(range(251)) * (side * side // 251 + 1))[: side * side]
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The data set's bytes in a native transfer syntax."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = transfer_syntax != EXPLICIT_BIG
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE
    if "PixelData" in ds:
        ds["PixelData"].VR = "OB" if not buffer.is_implicit_VR else "OW"
    ds.set_original_encoding(buffer.is_implicit_VR, buffer.is_little_endian)
    write_dataset(buffer, ds)
    return buffer.getvalue()


def meta_of(ds: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> FileMeta:
    """What a C-STORE request would say about the data set."""
    return FileMeta(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        transfer_syntax_uid=transfer_syntax,
        calling_ae="US1",
        called_ae="ECHOCARE",
    )


def data_set_bytes(path: Path) -> bytes:
    """What follows preamble and File Meta in a DICOM file."""
    content = path.read_bytes()
    assert content[128:132] == b"DICM"
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]
