"""The File Meta Information that is written before a received data set.

References
----------
DICOM PS3.10 7.1 (DICOM File Meta Information), PS3.5 7.1.2 (explicit VR).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

IMPLEMENTATION_CLASS_UID = "2.25.187296217834316045227930265112947120364"
IMPLEMENTATION_VERSION_NAME = "ECHOCARE_NODE_1"  # at most 16 characters

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")
_SHORT = struct.Struct("<HH2sH")
_VERSION = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 2) + b"\x00\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeta:
    """Who sent what, as a C-STORE request and its association say it."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str

    def encode(self) -> bytes:
        """Preamble, prefix and group 0002, ready to be followed by the data set.

        The calling AE goes into Source Application Entity Title (0002,0016), the called one into Receiving
        Application Entity Title (0002,0018).
        """
        group = b"".join(
            (
                _VERSION,
                _element(0x0002, b"UI", self.sop_class_uid),
                _element(0x0003, b"UI", self.sop_instance_uid),
                _element(0x0010, b"UI", self.transfer_syntax_uid),
                _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
                _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
                _element(0x0016, b"AE", self.calling_ae),
                _element(0x0018, b"AE", self.called_ae),
            )
        )
        return _PREAMBLE + _GROUP_LENGTH.pack(0x0002, 0x0000, b"UL", 4, len(group)) + group


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\x00" if vr == b"UI" else b" "
    return _SHORT.pack(0x0002, number, vr, len(value)) + value
