"""A data set as a stream in the encoding that a peer agreed to.

Nearly always that is the file's own, and the bytes go out as they lie. Three things are done for peers that take less:
uncompressed data sets change between explicit and implicit VR, JPEG Baseline, which our secondary captures are written
in, is decompressed, and an SR document goes as one of a simpler SOP class (`integration.dimse.simpler`). Nothing is
ever compressed, and no pixel that a peer could take as it is changes.

References
----------
DICOM PS3.5 10 (transfer syntaxes), PS3.3 C.7.6.1.1.5 (lossy compression stays declared after decompression).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, Final

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from integration.dimse.errors import DoesNotFit, Unsendable
from integration.dimse.part10 import JPEG_BASELINE, Sendable
from integration.dimse.simpler import obstacle, stand_in

IN_MEMORY_BYTES: Final = 64 << 20  # a re-encoded data set larger than this goes through a temporary file
MOST_PIXEL_BYTES: Final = 0xFFFFFFFE
PIXEL_DATA: Final = 0x7FE00010


@contextmanager
def data_set(item: Sendable, transfer_syntax: str) -> Iterator[BinaryIO]:
    """The data set of a file, encoded in one of its `contexts`.

    Raises
    ------
    Unsendable
        The file cannot be read, or it does not decode.
    """
    try:
        file = item.path.open("rb")
    except OSError as error:
        raise Unsendable(f"the file cannot be read: {error.strerror or error}") from error
    with file:
        if transfer_syntax == item.transfer_syntax:
            file.seek(item.offset)
            yield file
            return
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as spool:
            implicit = transfer_syntax == ImplicitVRLittleEndian
            try:
                if item.transfer_syntax == JPEG_BASELINE:
                    _write_decompressed(file, spool, implicit=implicit)  # type: ignore[arg-type]
                else:
                    _write(dcmread(file), spool, implicit=implicit)  # type: ignore[arg-type]
            except Unsendable:
                raise
            except Exception as error:  # pydicom raises whatever the bytes lead to
                raise Unsendable("the data set cannot be re-encoded for the peer") from error
            spool.seek(0)
            yield spool  # type: ignore[misc]


@contextmanager
def simpler_data_set(item: Sendable, sop_class: str, transfer_syntax: str) -> Iterator[BinaryIO]:
    """An SR document as one of a simpler SOP class, uncompressed.

    Raises
    ------
    DoesNotFit
        Its content is more than the class can hold.
    Unsendable
        The file cannot be read.
    """
    try:
        ds = dcmread(item.path)
    except Exception as error:  # pydicom raises whatever the bytes lead to
        raise Unsendable("the file cannot be read") from error
    if reason := obstacle(ds, sop_class):
        raise DoesNotFit(reason)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as spool:
        implicit = transfer_syntax == ImplicitVRLittleEndian
        _write(stand_in(ds, sop_class), spool, implicit=implicit)  # type: ignore[arg-type]
        spool.seek(0)
        yield spool  # type: ignore[misc]


def _write(ds: Dataset, target: BinaryIO, *, implicit: bool) -> None:
    writer = DicomFileLike(target)
    writer.is_implicit_VR, writer.is_little_endian = implicit, True
    plain = Dataset()
    plain.update(ds)
    write_dataset(writer, plain)


def _write_decompressed(file: BinaryIO, target: BinaryIO, *, implicit: bool) -> None:
    """Write frame after frame, so that a clip is never in memory whole."""
    ds = dcmread(file)
    after = [element.tag for element in ds if element.tag > PIXEL_DATA]
    for tag in (PIXEL_DATA, *after):
        del ds[tag]
    file.seek(0)
    frames = iter_pixels(file)
    first = next(frames)
    colour = first.ndim == 3
    length = first.size * int(ds.get("NumberOfFrames", 1) or 1)
    if length > MOST_PIXEL_BYTES:
        raise Unsendable("the peer takes it only without compression, and so it is larger than DICOM can hold")
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    _write(ds, target, implicit=implicit)
    tag = Tag(PIXEL_DATA)
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
    target.write(head + (b"" if implicit else b"OB\0\0") + (length + length % 2).to_bytes(4, "little"))
    for frame in chain([first], frames):
        target.write(frame.tobytes())
    target.write(b"\0" * (length % 2))
