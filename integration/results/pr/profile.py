"""The ICC profile of a colour presentation state.

References
----------
DICOM PS3.3 C.11.15 (ICC Profile: of the class scnr or spac), ICC.1:2010 7.2 (header), 8.3 (input profiles).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from PIL import ImageCms
from pydicom import Dataset

_CLASS: Final = slice(12, 16)
_CREATED: Final = slice(24, 36)
_ALLOWED: Final = (b"scnr", b"spac")
_FIXED_DATE: Final = b"".join(part.to_bytes(2) for part in (2026, 1, 1, 0, 0, 0))


def input_profile(header: Dataset) -> bytes:
    """The source's own profile where it has a valid one, else that of sRGB."""
    own = bytes(header.get("ICCProfile") or b"")
    return own if own[_CLASS] in _ALLOWED else srgb_input_profile()


@cache
def srgb_input_profile() -> bytes:
    """sRGB as the profile of an input device, the same bytes on every day: about 600 bytes, of even number."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_CLASS] = _ALLOWED[0]
    profile[_CREATED] = _FIXED_DATE
    return bytes(profile)
