"""What a STOW-RS client sends: instances in one multipart body, taken apart while its bytes come; and the answer.

References
----------
DICOM PS3.18 10.5 (Store transaction), Annex I (store instances response module), PS3.10 7.1 (file format), RFC 2046 5.1
(multipart), RFC 2387 (multipart/related).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from io import BytesIO
from typing import ClassVar, Final, Protocol

from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

DICOM: Final = "application/dicom"
ANSWER: Final = "application/dicom+json"
MOST_META_BYTES: Final = 64 * 2**10
MOST_PARTS: Final = 20_000  # each is answered for
MOST_BOUNDARY: Final = 200  # characters: RFC 2046 5.1.1 allows 70, and Orthanc sends 73

_META_START: Final = 132
_GROUP_LENGTH: Final = struct.Struct("<HH2sHI")


class StoreRequestError(Exception):
    """A request that cannot be read; the message says why."""

    status: ClassVar[int] = 400


class UnsupportedMedia(StoreRequestError):
    """The body, or a part of it, is of a kind that is not taken."""

    status: ClassVar[int] = 415


class TooLarge(StoreRequestError):
    """The body is larger, or has more parts, than is taken."""

    status: ClassVar[int] = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStart:
    """What the File Meta Information of a part says."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Sink(Protocol):
    """Who takes the instances of a body, one after another."""

    def begin(self, start: PartStart) -> None:
        """An instance comes."""

    def take(self, piece: memoryview) -> None:
        """Bytes of its data set."""

    def end(self) -> None:
        """It was whole."""

    def refuse(self, words: str) -> None:
        """A part was no DICOM file."""


class StoreBody:
    """Takes a body apart.

    Parameters
    ----------
    content_type
        Of the request: multipart/related of application/dicom, with a boundary.
    sink
        Who takes the instances.
    most_bytes
        Of the whole body; None: no limit.

    Raises
    ------
    UnsupportedMedia
        The content type is another, or a part's is.
    TooLarge
        More bytes or more parts come than are taken.
    StoreRequestError
        The boundary is missing, or `feed` and `finish` meet bytes that are no such body.
    """

    def __init__(self, content_type: str, sink: Sink, most_bytes: int | None = None) -> None:
        self._sink = sink
        self._most_bytes, self._bytes, self._parts = most_bytes, 0, 0
        self._head: bytearray | None = None  # of a part whose File Meta Information is not whole yet
        self._refused = False  # the part that comes
        self._field, self._value = b"", b""
        self._part_type = DICOM
        callbacks = {
            "on_part_begin": self._on_part,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_end,
            "on_end": self._on_close,
        }
        self._closed = False
        self._parser = MultipartParser(boundary_of(content_type), callbacks)  # type: ignore[arg-type]  # its own dict

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body, of any length."""
        self._bytes += len(data)
        if self._most_bytes is not None and self._bytes > self._most_bytes:
            raise TooLarge(f"the body has more than {self._most_bytes} bytes: send fewer instances at a time")
        try:
            self._parser.write(data)
        except FormParserError as fault:
            raise StoreRequestError(f"the body is no multipart body: {fault}") from fault

    def finish(self) -> None:
        """The body has ended."""
        if not self._closed:
            raise StoreRequestError("the body ends before its closing boundary: send it again")

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise TooLarge(f"the body has more than {MOST_PARTS} parts: send fewer instances at a time")
        self._head, self._refused, self._part_type = bytearray(), False, DICOM

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._field.lower() == b"content-type":
            self._part_type = _type_of(self._value.decode("latin-1")).get_content_type()
        self._field, self._value = b"", b""

    def _on_headers(self) -> None:
        if self._part_type != DICOM:
            raise UnsupportedMedia(f"a part is {self._part_type}: send instances as {DICOM}, one a part")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._refused:
            return
        if self._head is None:
            self._sink.take(piece)
            return
        self._head += piece
        try:
            found = _start_of(self._head)
        except ValueError as fault:
            self._refuse(str(fault))
            return
        if found is not None:
            begun, data_set_at = found
            rest, self._head = memoryview(self._head)[data_set_at:], None
            self._sink.begin(begun)
            self._sink.take(rest)

    def _on_end(self) -> None:
        if self._head is not None and not self._refused:
            self._refuse("it ends within its File Meta Information")
        elif not self._refused:
            self._sink.end()

    def _on_close(self) -> None:
        self._closed = True

    def _refuse(self, words: str) -> None:
        self._head, self._refused = None, True
        self._sink.refuse(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of one instance."""

    sop_class_uid: str  # empty where it is not known
    sop_instance_uid: str
    reason: int | None = None  # Failure Reason (0008,1197); None: it is safe


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names.

    Raises
    ------
    UnsupportedMedia
        It is not multipart/related of application/dicom.
    StoreRequestError
        It names no boundary.
    """
    said = _type_of(content_type)
    inside = str(said.get_param("type", DICOM)).lower()
    if said.get_content_type() != "multipart/related" or inside != DICOM:
        raise UnsupportedMedia(f'the body has to be multipart/related; type="{DICOM}", not {content_type[:100]}')
    boundary = said.get_boundary("")
    if not 0 < len(boundary) <= MOST_BOUNDARY:
        raise StoreRequestError("Content-Type names no boundary, or one that is too long")
    return boundary.encode("latin-1", "replace")


def answer(outcomes: Sequence[Stored]) -> tuple[int, dict[str, object]]:
    """Status and body of the answer: 200 where all are safe, 202 where some are, 409 where none is."""
    safe = [each for each in outcomes if each.reason is None]
    failed = [each for each in outcomes if each.reason is not None]
    body: dict[str, object] = {}
    if safe:
        body["00081199"] = {"vr": "SQ", "Value": [_item(each) for each in safe]}
    if failed:
        body["00081198"] = {"vr": "SQ", "Value": [_item(each) for each in failed]}
    return (200 if not failed else 202 if safe else 409), body


def _item(outcome: Stored) -> dict[str, object]:
    item: dict[str, object] = {}
    if outcome.sop_class_uid:
        item["00081150"] = {"vr": "UI", "Value": [outcome.sop_class_uid]}
    if outcome.sop_instance_uid:
        item["00081155"] = {"vr": "UI", "Value": [outcome.sop_instance_uid]}
    if outcome.reason is not None:
        item["00081197"] = {"vr": "US", "Value": [outcome.reason]}
    return item


def _type_of(value: str) -> Message:
    said = Message()
    said["Content-Type"] = value
    return said


def _start_of(head: bytearray) -> tuple[PartStart, int] | None:
    """What a file's first bytes say, and where its data set begins; None: more bytes are needed.

    Raises
    ------
    ValueError
        It is no DICOM file.
    """
    if len(head) < _META_START + _GROUP_LENGTH.size:
        return None
    if head[128:132] != b"DICM":
        raise ValueError("it is no DICOM file: the prefix DICM is missing")
    group, element, _, _, length = _GROUP_LENGTH.unpack_from(head, _META_START)
    if (group, element) != (0x0002, 0x0000) or length > MOST_META_BYTES:
        raise ValueError("its File Meta Information does not begin with a group length")
    begin = _META_START + _GROUP_LENGTH.size
    if len(head) < begin + length:
        return None
    try:
        meta = FileMetaDataset(read_dataset(BytesIO(bytes(head[begin : begin + length])), False, True))
        named = [str(meta.get(word, "")) for word in _NEEDED]
    except Exception as fault:  # pydicom raises errors of many kinds on bytes that are no elements
        raise ValueError(f"its File Meta Information cannot be read ({type(fault).__name__})") from fault
    if not all(named):
        raise ValueError(f"its File Meta Information lacks one of {', '.join(_NEEDED)}")
    return PartStart(sop_class_uid=named[0], sop_instance_uid=named[1], transfer_syntax_uid=named[2]), begin + length


_NEEDED: Final = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
