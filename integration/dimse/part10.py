"""What sending needs to know of a DICOM file: what it holds, how it is written, where the data set begins.

Read by hand rather than with pydicom: the data set must be found where the elements of group 0002 really end, since
files with a wrong group length are about, and pydicom warns about odd UIDs in words that hold the UID.

References
----------
DICOM PS3.10 7.1 (File Meta Information), PS3.8 annex E.2 (fragments have an even length).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from integration.dimse.errors import Unsendable
from integration.dimse.pdus import Context
from integration.dimse.simpler import simpler_classes

PREAMBLE: Final = 128
LONG_VRS: Final = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"))
MOST_META_BYTES: Final = 1 << 20
CLASS, INSTANCE, SYNTAX = 0x0002, 0x0003, 0x0010  # element numbers in group 0002
JPEG_BASELINE: Final = str(JPEGBaseline8Bit)
UNCOMPRESSED: Final = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """One file, as far as sending needs to know it."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    offset: int  # of the data set, in bytes

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The presentation contexts that can carry it, the one without re-encoding first."""
        own = Context(self.sop_class_uid, self.transfer_syntax)
        if self.transfer_syntax not in (*UNCOMPRESSED, JPEG_BASELINE):
            return (own,)
        return (own, *(Context(self.sop_class_uid, other) for other in UNCOMPRESSED if other != own.transfer_syntax))

    @property
    def simpler_contexts(self) -> tuple[Context, ...]:
        """Those that carry an SR document as one of a simpler SOP class, the richest first; none for all else."""
        if self.transfer_syntax not in UNCOMPRESSED:
            return ()
        syntaxes = (self.transfer_syntax, *(other for other in UNCOMPRESSED if other != self.transfer_syntax))
        return tuple(Context(simpler, each) for simpler in simpler_classes(self.sop_class_uid) for each in syntaxes)


def read_sendable(path: Path) -> Sendable:
    """Read a file's meta information.

    Raises
    ------
    Unsendable
        The file cannot be read, is not DICOM, does not say what it holds, or was cut off.
    """
    try:
        with path.open("rb") as file:
            if file.read(PREAMBLE + 4)[PREAMBLE:] != b"DICM":
                raise Unsendable("the file is not a DICOM file: no DICM after the preamble")
            values, offset = _group_two(file)
            size = file.seek(0, 2)
    except OSError as error:
        raise Unsendable(f"the file cannot be read: {error.strerror or error}") from error
    missing = [f"(0002,{element:04X})" for element in (CLASS, INSTANCE, SYNTAX) if not values.get(element)]
    if missing:
        raise Unsendable(f"the file does not say what it holds: {', '.join(missing)} missing")
    if size <= offset:
        raise Unsendable("the file ends after its File Meta Information")
    if (size - offset) % 2:
        raise Unsendable("the data set has an odd number of bytes: the file was cut off or is damaged")
    return Sendable(
        path=path,
        sop_class_uid=values[CLASS],
        sop_instance_uid=values[INSTANCE],
        transfer_syntax=values[SYNTAX],
        offset=offset,
    )


def _group_two(file: BinaryIO) -> tuple[dict[int, str], int]:
    values: dict[int, str] = {}
    while file.tell() < MOST_META_BYTES:
        start = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            return values, start
        element, vr, short = struct.unpack("<2xH2sH", head)
        length = struct.unpack("<L", file.read(4).ljust(4, b"\0"))[0] if vr in LONG_VRS else short
        value = file.read(min(length, MOST_META_BYTES))
        if vr == b"UI":
            values[element] = value.decode("ascii", "replace").strip("\0 ")
    raise Unsendable("the File Meta Information does not end")
