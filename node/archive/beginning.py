"""The first elements of a data set: enough to know which instance it says it is.

Only as many bytes are looked at as lie before SOP Instance UID (0008,0018), and never more than `MOST_BYTES`.

References
----------
DICOM PS3.5 7.1 (data elements), 7.5 (sequences), A.4 and A.5 (transfer syntaxes).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

MOST_BYTES: Final = 64 * 1024
MOST_DEPTH: Final = 8

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
STANDARD_PREFIX: Final = "1.2.840.10008.1.2"

_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_VRS: Final = _LONG_VRS | {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip


class Unreadable(Exception):
    """These bytes are not the beginning of a data set in that encoding; the message says what was met."""


class Encoding(Enum):
    """How elements lie in the bytes."""

    IMPLICIT_LITTLE = "implicit VR little endian"
    EXPLICIT_LITTLE = "explicit VR little endian"
    EXPLICIT_BIG = "explicit VR big endian"

    @property
    def is_implicit(self) -> bool:
        return self is Encoding.IMPLICIT_LITTLE

    @property
    def is_little(self) -> bool:
        return self is not Encoding.EXPLICIT_BIG


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a data set says about itself; an absent element is empty."""

    encoding: Encoding
    sop_class_uid: str
    sop_instance_uid: str


def read_beginning(start: bytes, transfer_syntax_uid: str, *, whole: bool) -> Beginning | None:
    """Read SOP Class UID and SOP Instance UID.

    Parameters
    ----------
    start
        The first bytes of the data set, as transferred.
    transfer_syntax_uid
        Their transfer syntax. A private one may be implicit or explicit: whichever the bytes make sense in.
    whole
        Whether the data set ends with these bytes.

    Returns
    -------
    Beginning | None
        None when more bytes are needed.

    Raises
    ------
    Unreadable
        The bytes are no such data set, or the two elements do not come within `MOST_BYTES`.
    """
    if transfer_syntax_uid == DEFLATED:
        try:
            start = zlib.decompressobj(-zlib.MAX_WBITS).decompress(start, MOST_BYTES)
        except zlib.error as error:
            raise Unreadable("the deflated data set cannot be inflated") from error
    faults: list[str] = []
    nameless: Beginning | None = None
    for encoding in encodings_of(transfer_syntax_uid):
        try:
            found = _Elements(start[:MOST_BYTES], encoding).beginning(whole=whole)
        except _Short:
            if not whole and len(start) < MOST_BYTES:
                return None
            faults.append(f"as {encoding.value} it ends within its first elements")
        except Unreadable as fault:
            faults.append(f"as {encoding.value} {fault}")
        else:
            if found.sop_class_uid and found.sop_instance_uid:
                return found
            nameless = nameless or found
    if nameless is not None:
        return nameless
    raise Unreadable("; ".join(faults))


def encodings_of(transfer_syntax_uid: str) -> tuple[Encoding, ...]:
    """The encodings that a transfer syntax allows, likeliest first."""
    if transfer_syntax_uid == IMPLICIT_LITTLE:
        return (Encoding.IMPLICIT_LITTLE,)
    if transfer_syntax_uid == EXPLICIT_BIG:
        return (Encoding.EXPLICIT_BIG,)
    if transfer_syntax_uid.startswith(f"{STANDARD_PREFIX}."):
        return (Encoding.EXPLICIT_LITTLE,)
    return (Encoding.EXPLICIT_LITTLE, Encoding.IMPLICIT_LITTLE, Encoding.EXPLICIT_BIG)


class _Short(Exception):
    """The bytes end inside an element."""


class _Elements:
    def __init__(self, data: bytes, encoding: Encoding) -> None:
        self._data = data
        self._encoding = encoding
        order = "<" if encoding.is_little else ">"
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}I")

    def beginning(self, *, whole: bool) -> Beginning:
        found = {_SOP_CLASS: "", _SOP_INSTANCE: ""}
        at, last_tag = 0, -1
        while not (whole and at == len(self._data)):
            tag, length, value_at = self._header(at)
            if tag <= last_tag:
                raise Unreadable("its elements are not in order")
            if tag > _SOP_INSTANCE:
                break
            last_tag = tag
            if length == _UNDEFINED:
                at = self._after_sequence(value_at, 1)
                continue
            at = value_at + length
            if at > len(self._data):
                raise _Short
            if tag in found:
                found[tag] = self._data[value_at:at].decode("ascii", "replace").strip("\x00 ")
        return Beginning(
            encoding=self._encoding, sop_class_uid=found[_SOP_CLASS], sop_instance_uid=found[_SOP_INSTANCE]
        )

    def _header(self, at: int) -> tuple[int, int, int]:
        """Tag, value length and where the value starts."""
        data = self._data
        if at + 8 > len(data):
            raise _Short
        group, element = self._tag.unpack_from(data, at)
        tag = group << 16 | element
        if self._encoding.is_implicit or group == 0xFFFE:
            return tag, self._long.unpack_from(data, at + 4)[0], at + 8
        vr = data[at + 4 : at + 6]
        if vr not in _VRS:
            raise Unreadable(f"element ({group:04X},{element:04X}) has no value representation")
        if vr not in _LONG_VRS:
            return tag, self._short.unpack_from(data, at + 6)[0], at + 8
        if at + 12 > len(data):
            raise _Short
        return tag, self._long.unpack_from(data, at + 8)[0], at + 12

    def _after_sequence(self, at: int, depth: int) -> int:
        if depth > MOST_DEPTH:
            raise Unreadable("its sequences are nested too deep")
        while True:
            tag, length, value_at = self._header(at)
            if tag == _SEQUENCE_END:
                return value_at
            if tag != _ITEM:
                raise Unreadable("a sequence holds something other than items")
            at = self._after_item(value_at, depth) if length == _UNDEFINED else value_at + length

    def _after_item(self, at: int, depth: int) -> int:
        while True:
            tag, length, value_at = self._header(at)
            if tag == _ITEM_END:
                return value_at
            at = self._after_sequence(value_at, depth + 1) if length == _UNDEFINED else value_at + length
