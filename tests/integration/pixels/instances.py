"""Small DICOM instances of any make, for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

EXPLICIT = str(ExplicitVRLittleEndian)
IMPLICIT = str(ImplicitVRLittleEndian)
BIG_ENDIAN = str(ExplicitVRBigEndian)
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_XL = "1.2.840.10008.1.2.4.110"
RLE = "1.2.840.10008.1.2.5"
UNKNOWN_TO_PYDICOM = frozenset({JPEG_XL})


def header(rows: int, columns: int, photometric: str = "MONOCHROME2", **more: Any) -> Dataset:
    """An ultrasound header for 8-bit pixels; keywords override."""
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    ds.SOPInstanceUID = "2.25.1"
    ds.Modality = "US"
    ds.Rows, ds.Columns = rows, columns
    ds.PhotometricInterpretation = photometric
    ds.SamplesPerPixel = 3 if photometric == "RGB" or photometric.startswith("YBR") else 1
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def write(path: Path, ds: Dataset, pixels: bytes | None, syntax: str = EXPLICIT, vr: str = "OB") -> Path:
    """Write a header and native pixel data."""
    if pixels is not None:
        ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
        ds["PixelData"].VR = vr
    ds.file_meta = FileMetaDataset()
    # pydicom writes only what it knows: for the others, one of the same length is put in and written over.
    known = HTJ2K if syntax in UNKNOWN_TO_PYDICOM else syntax
    ds.file_meta.TransferSyntaxUID = known
    dcmwrite(path, ds, enforce_file_format=True)
    if known != syntax:
        path.write_bytes(path.read_bytes().replace(known.encode(), syntax.encode(), 1))
    return path


def item(value: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value


DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


def even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


def write_encapsulated(
    path: Path, ds: Dataset, fragments: Sequence[bytes], syntax: str, *, table: bytes = b"", end: bytes = DELIMITER
) -> Path:
    """Write a header, a Basic Offset Table, fragments just as given, and an end."""
    write(path, ds, None, syntax)
    body = b"".join([item(table), *(item(even(fragment)) for fragment in fragments), end])
    with path.open("ab") as file:
        file.write(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + body)
    return path
