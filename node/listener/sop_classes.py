"""The storage SOP classes that are accepted.

References
----------
DICOM PS3.4 B.5 (standard SOP classes), B.6 and Annex A of PS3.6 (retired ones).
"""

from __future__ import annotations

from typing import Final

from pynetdicom import AllStoragePresentationContexts

VERIFICATION: Final = "1.2.840.10008.1.1"

_PREFIX: Final = "1.2.840.10008.5.1.4.1.1"

# Retired, and still sent by scanners in use: ultrasound first.
RETIRED: Final = frozenset(
    f"{_PREFIX}.{suffix}"
    for suffix in (
        "3",  # Ultrasound Multi-frame Image
        "6",  # Ultrasound Image
        "5",  # Nuclear Medicine Image
        "8",  # Standalone Overlay
        "9",  # Standalone Curve
        "9.1",  # Waveform, trial
        "10",  # Standalone Modality LUT
        "11",  # Standalone VOI LUT
        "12.3",  # X-Ray Angiographic Bi-Plane Image
        "77.1",  # VL Image, trial
        "77.2",  # VL Multi-frame Image, trial
        "88.1",  # Text SR, trial
        "88.2",  # Audio SR, trial
        "88.3",  # Detail SR, trial
        "88.4",  # Comprehensive SR, trial
        "129",  # Standalone PET Curve
    )
)

# In the standard, and newer than the list that comes with pynetdicom.
RECENT: Final = frozenset({f"{_PREFIX}.66.7", f"{_PREFIX}.66.8"})  # Label Map and Height Map Segmentation

DEFAULT: Final = frozenset(str(cx.abstract_syntax) for cx in AllStoragePresentationContexts) | RETIRED | RECENT
