"""Reading what a received file says.

References
----------
DICOM PS3.10 7.1 (file format), PS3.3 C.7.2 and C.7.3 (study and series).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO, Final, cast

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from node.archive.beginning import DEFLATED, MOST_BYTES, Unreadable, read_beginning
from node.archive.stored import StoredFile, is_uid

MOST_HEADER_BYTES: Final = 64 * 2**20  # what a header may cost to read, pixel data not counted
MOST_VALUE_BYTES: Final = 256 * 2**10  # longer values are left out of the header
MOST_META_BYTES: Final = 64 * 2**10

_META_START: Final = 132
_META_HEAD: Final = struct.Struct("<HH2sHI")
_SERIES_INSTANCE_UID: Final = 0x0020000E
_PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

# What pydicom raises on bytes that are no data set, as its readers and fuzzing show.
_PARSE_FAULTS: Final = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip


class HeaderFault(Exception):
    """The file's header does not say what is needed to file it; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meta:
    elements: FileMetaDataset
    transfer_syntax_uid: str
    data_set_at: int


def describe(path: Path) -> StoredFile:
    """Read a stored file's header and take its digest.

    Raises
    ------
    HeaderFault
        It is not a DICOM file, or does not say its SOP class, instance, study and series.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        meta = _read_meta(file)
        header, fault = _read_header(file, meta)
        header.file_meta = meta.elements
        uids = {keyword: _uid(header, keyword, fault) for keyword in _NEEDED}
        digest, size = _digest(file, meta)
        received_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return StoredFile(
        path=path,
        sha256=digest,
        bytes=size,
        sop_instance_uid=uids["SOPInstanceUID"],
        sop_class_uid=uids["SOPClassUID"],
        study_instance_uid=uids["StudyInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        transfer_syntax_uid=meta.transfer_syntax_uid,
        calling_ae=_text(meta.elements, "SourceApplicationEntityTitle"),
        called_ae=_text(meta.elements, "ReceivingApplicationEntityTitle"),
        received_at=received_at,
        header=header,
        fault=fault,
    )


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file's data set, without preamble and File Meta; None when that is no DICOM file."""
    with path.open("rb") as file:
        try:
            return _digest(file, _read_meta(file))[0]
        except HeaderFault:
            return None


def _digest(file: BufferedReader, meta: _Meta) -> tuple[str, int]:
    file.seek(meta.data_set_at)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, file.tell() - meta.data_set_at


_NEEDED: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def _read_meta(file: BufferedReader) -> _Meta:
    start = file.read(_META_START + _META_HEAD.size)
    if len(start) < _META_START + _META_HEAD.size or start[128:132] != b"DICM":
        raise HeaderFault("it is no DICOM file: the prefix DICM is missing")
    group, element, _, _, length = _META_HEAD.unpack_from(start, _META_START)
    if (group, element) != (0x0002, 0x0000) or length > MOST_META_BYTES:
        raise HeaderFault("its File Meta Information does not begin with a group length")
    try:
        elements = FileMetaDataset(read_dataset(BytesIO(file.read(length)), False, True))
        transfer_syntax_uid = _text(elements, "TransferSyntaxUID")
    except _PARSE_FAULTS as error:
        raise HeaderFault(f"its File Meta Information cannot be read ({type(error).__name__})") from error
    if not transfer_syntax_uid:
        raise HeaderFault("its File Meta Information names no transfer syntax")
    return _Meta(
        elements=elements,
        transfer_syntax_uid=transfer_syntax_uid,
        data_set_at=_META_START + _META_HEAD.size + length,
    )


def _read_header(file: BufferedReader, meta: _Meta) -> tuple[Dataset, str | None]:
    """The data set without its pixels, and why it is only a part when it is."""
    start = file.read(MOST_BYTES)
    try:
        beginning = read_beginning(start, meta.transfer_syntax_uid, whole=True)
    except Unreadable as error:
        raise HeaderFault(f"its data set cannot be read: {error}") from error
    if beginning is None:
        raise HeaderFault("its data set cannot be read")
    encoding = beginning.encoding
    last_tags = (0xFFFFFFFF, _SERIES_INSTANCE_UID)  # the whole header; else as far as filing needs it
    fault: str | None = None
    for last_tag in last_tags:
        file.seek(meta.data_set_at)
        try:
            source = _inflated(file) if meta.transfer_syntax_uid == DEFLATED else cast(BinaryIO, _Bounded(file))
            header = read_dataset(
                source,
                encoding.is_implicit,
                encoding.is_little,
                stop_when=_stop_after(last_tag),
                defer_size=MOST_VALUE_BYTES,
            )
            _drop_long_values(header)
        except _PARSE_FAULTS as error:
            fault = f"the header breaks off or is garbled ({type(error).__name__})"
        else:
            return header, fault
    raise HeaderFault(f"its data set cannot be read: {fault}")


def _stop_after(last_tag: int) -> Callable[[BaseTag, str | None, int], bool]:
    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        return tag in _PIXEL_DATA or tag > last_tag

    return stop


class _Bounded:
    """A file that gives no more than a header may cost."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._left = MOST_HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("the header is too large")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _inflated(file: BufferedReader) -> BytesIO:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = bytearray()
    while len(data) < MOST_HEADER_BYTES and not inflater.eof:
        piece = inflater.unconsumed_tail or file.read(MOST_BYTES)
        if not piece:
            break
        data += inflater.decompress(piece, MOST_HEADER_BYTES - len(data))
    return BytesIO(data)


def _drop_long_values(header: Dataset) -> None:
    for tag in list(header.keys()):
        raw = header.get_item(tag)
        if raw is not None and raw.value is None and getattr(raw, "length", 0) > 0:
            del header[tag]


def _uid(header: Dataset, keyword: str, fault: str | None) -> str:
    value = _text(header, keyword)
    if is_uid(value):
        return value
    because = f", {fault}" if fault else ""
    raise HeaderFault(f"its data set has no usable {keyword}{because}")


def _text(ds: Dataset, keyword: str) -> str:
    # The raw value: converting it would have pydicom warn about odd ones, and print them.
    try:
        element = ds.get_item(keyword)
        value = None if element is None else element.value
    except _PARSE_FAULTS:
        return ""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "" if value is None else str(value).strip("\x00 ")
