"""Data sets of the normalised services: reading what a peer sends with N-CREATE, N-SET, N-ACTION, N-EVENT-REPORT.

References
----------
DICOM PS3.7 10.1 (normalised services), Annex C (statuses).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode

from integration.dimse.errors import InvalidRequest

TRANSFER_SYNTAXES: Final = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
INVALID_VALUE: Final = 0x0106
PROCESSING_FAILURE: Final = 0x0110
INVALID_ARGUMENT: Final = 0x0115
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_VALUE: Final = 0x0121
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
UID_CHARACTERS: Final = 64


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever pydicom raises on bytes that are no data set into an answer for the peer."""
    try:
        yield
    except InvalidRequest:
        raise
    except Exception as error:  # pydicom raises whatever the bytes lead to
        raise InvalidRequest(f"{what} cannot be read", status=PROCESSING_FAILURE) from error


def decoded(encoded: bytes, transfer_syntax: str) -> Dataset:
    """A data set from its bytes; to be called, and its values to be taken, within `reading`."""
    return decode(BytesIO(encoded), transfer_syntax == ImplicitVRLittleEndian, True)


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none where it is missing or empty."""
    return tuple(ds.get(keyword) or ())


def uid(ds: Dataset, keyword: str) -> str:
    """A UID of a data set.

    Raises
    ------
    InvalidRequest
        It is missing, has no value, or is no UID.
    """
    if keyword not in ds:
        raise InvalidRequest(f"{keyword} is missing", status=MISSING_ATTRIBUTE)
    text = str(ds.get(keyword) or "").strip("\0 ")
    if not text:
        raise InvalidRequest(f"{keyword} has no value", status=MISSING_VALUE)
    if len(text) > UID_CHARACTERS or _UID.fullmatch(text) is None:
        raise InvalidRequest(f"{keyword} is no UID", status=INVALID_VALUE)
    return text


def word(ds: Dataset, keyword: str) -> str:
    """A code string of a data set.

    Raises
    ------
    InvalidRequest
        It is missing or has no value.
    """
    if keyword not in ds:
        raise InvalidRequest(f"{keyword} is missing", status=MISSING_ATTRIBUTE)
    text = str(ds.get(keyword) or "").strip()
    if not text:
        raise InvalidRequest(f"{keyword} has no value", status=MISSING_VALUE)
    return text
