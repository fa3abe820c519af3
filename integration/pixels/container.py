"""Where the pixel data of a DICOM file lie, found without reading them.

The header is parsed by pydicom up to the pixel data; the pixel data are then read from the disk frame by frame. A
deflated data set has to be inflated to know where anything is: to an unlinked temporary file, within a limit.

References
----------
DICOM PS3.5 7.1 (data elements), A.4 (encapsulation), A.5 (deflated), PS3.10 7.1 (File Meta Information).
"""

from __future__ import annotations

import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import Dataset, config, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from integration.pixels.errors import BadHeader, NoPixelData, NotAnImage, TooLarge, UnsupportedPhotometric
from integration.pixels.limits import Limits

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009})
_LONG_VR = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"UC", b"UR", b"SQ"})
_CHUNK = 1 << 20

# A value that breaks its VR is warned about by quoting it; names and UIDs must not reach a log that way.
config.settings.reading_validation_mode = config.IGNORE


class Bytes:
    """Random access to the bytes of a file.

    A file on disk is opened anew for each read, so that images in hand hold no descriptors; an inflated one lives in
    the temporary file it was given.
    """

    __slots__ = ("_path", "_temporary", "size")

    def __init__(self, path: Path, temporary: BinaryIO | None = None) -> None:
        self._path = path
        self._temporary = temporary
        self.size = os.fstat(temporary.fileno()).st_size if temporary is not None else path.stat().st_size

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer at the end of the file."""
        if self._temporary is not None:
            return os.pread(self._temporary.fileno(), count, offset)
        with self._path.open("rb", buffering=0) as file:
            return _read_whole(file.fileno(), offset, count)


def _read_whole(descriptor: int, offset: int, count: int) -> bytes:
    # One pread may stop short (2 GiB at most on Linux); a frame is read whole or to the end of the file.
    data = os.pread(descriptor, count, offset)
    if len(data) in (0, count):
        return data
    parts = [data]
    have = len(data)
    while have < count and (more := os.pread(descriptor, count - have, offset + have)):
        parts.append(more)
        have += len(more)
    return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A parsed header and the place of the pixel data."""

    header: Dataset  # with file_meta, without pixel data
    transfer_syntax: str
    data: Bytes
    offset: int  # of the first byte of the value of PixelData
    length: int  # of the value; UNDEFINED where it is encapsulated
    vr: str
    big_endian: bool

    @property
    def encapsulated(self) -> bool:
        return self.length == UNDEFINED


def open_container(path: Path, limits: Limits) -> Container:
    """Parse a file's header and find its pixel data.

    Raises
    ------
    NotAnImage
        Not DICOM, or broken before the pixel data.
    NoPixelData, UnsupportedPhotometric, TooLarge
    """
    try:
        with path.open("rb") as file:
            header, data, position = _parse(path, file, limits)
    except OSError as error:
        raise NotAnImage(f"the file cannot be read ({error.strerror}): check that it exists and may be read") from error
    syntax, implicit, little = _encoding(header)
    vr, offset, length = _pixel_element(data, position, implicit=implicit, little=little)
    return Container(
        header=header,
        transfer_syntax=syntax,
        data=data,
        offset=offset,
        length=length,
        vr=vr,
        big_endian=not little,
    )


def _parse(path: Path, file: BinaryIO, limits: Limits) -> tuple[Dataset, Bytes, int]:
    try:
        try:
            header = dcmread(file, stop_before_pixels=True, defer_size=_CHUNK)
        except InvalidDicomError:
            file.seek(0)
            header = dcmread(file, stop_before_pixels=True, defer_size=_CHUNK, force=True)
        if not header:
            raise NotAnImage("the file is not DICOM, or is cut off before its first attribute: send it again")
        if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _inflated(path, file, limits)
        if "SOPClassUID" not in header:
            raise NotAnImage("the file holds no SOPClassUID (0008,0016): it is not a DICOM instance")
        return header, Bytes(path), file.tell()
    except (NotAnImage, TooLarge):
        raise
    except OSError:
        raise
    except Exception as error:
        raise NotAnImage(
            f"the header cannot be parsed ({type(error).__name__}): the file is damaged or its Transfer Syntax UID "
            "(0002,0010) is wrong; send it again"
        ) from error


def _inflated(path: Path, file: BinaryIO, limits: Limits) -> tuple[Dataset, Bytes, int]:
    meta = read_file_meta_info(path)
    file.seek(0)
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    file.seek(start)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    whole = tempfile.TemporaryFile()
    written = 0
    while packed := file.read(_CHUNK):
        while packed:
            part = inflate.decompress(packed, _CHUNK)
            written += len(part)
            if written > limits.max_inflated_bytes:
                raise TooLarge(f"the deflated data set is larger than {limits.max_inflated_bytes} bytes when unpacked")
            whole.write(part)
            packed = inflate.unconsumed_tail
    whole.write(inflate.flush())
    whole.seek(0)
    header = read_dataset(whole, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
    header.file_meta = meta
    return header, Bytes(path, whole), whole.tell()


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:
    return tag == PIXEL_DATA or tag in FLOAT_PIXEL_DATA


def _encoding(header: Dataset) -> tuple[str, bool, bool]:
    """Transfer syntax, implicit VR, little endian."""
    syntax = str(header.file_meta.get("TransferSyntaxUID", "") or "")
    implicit, little = header.original_encoding
    if implicit is None or little is None:
        implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    if not syntax:
        explicit = "1.2.840.10008.1.2.1" if little else str(ExplicitVRBigEndian)
        syntax = str(ImplicitVRLittleEndian) if implicit else explicit
    return syntax, bool(implicit), bool(little)


def _pixel_element(data: Bytes, position: int, *, implicit: bool, little: bool) -> tuple[str, int, int]:
    """VR, offset and length of the value of the element at `position`, which should be PixelData."""
    head = data.read(position, 12)
    order: Literal["little", "big"] = "little" if little else "big"
    if len(head) < 8:
        raise NoPixelData("the instance ends without PixelData (7FE0,0010): it is not an image, or was cut off")
    tag = int.from_bytes(head[0:2], order) << 16 | int.from_bytes(head[2:4], order)
    if tag in FLOAT_PIXEL_DATA:
        raise UnsupportedPhotometric(
            "the pixels are floating-point numbers (7FE0,0008 or 0009): not an ultrasound image"
        )
    if tag != PIXEL_DATA:
        raise NoPixelData("the instance has no PixelData (7FE0,0010): it is not an image")
    if implicit:
        return "OW", position + 8, int.from_bytes(head[4:8], order)
    vr = bytes(head[4:6])
    if vr in _LONG_VR:
        return vr.decode("ascii"), position + 12, int.from_bytes(head[8:12], order)
    raise BadHeader(
        "PixelData (7FE0,0010) has no valid value representation: the file is damaged or its Transfer Syntax UID "
        "(0002,0010) is wrong"
    )
