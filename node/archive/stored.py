"""What the archive knows of one instance, and where in it the instance belongs.

References
----------
DICOM PS3.5 9 (UIDs).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydicom import Dataset

DIGEST_CHARACTERS: Final = 12
UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
UID_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredFile:
    """One instance in the archive, and what its header says."""

    path: Path
    sha256: str  # of the data set's bytes, without preamble and File Meta
    bytes: int  # of the data set, without preamble and File Meta
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str
    received_at: datetime  # aware, UTC: the file's modification time
    header: Dataset  # with file_meta; without pixel data and without values longer than 256 KiB
    fault: str | None  # why the header could be read in part only, in words; None when it was read whole
    already_there: bool = False  # the very same data set had been filed before


def is_uid(text: str) -> bool:
    """Whether a text may serve as a UID: digits and dots, at most 64 (leading zeros are let pass)."""
    return len(text) <= UID_CHARACTERS and UID.fullmatch(text) is not None


def place_of(instance: StoredFile, digest_characters: int = DIGEST_CHARACTERS) -> Path:
    """Where an instance belongs, relative to the folder `instances`."""
    study = hashlib.sha256(instance.study_instance_uid.encode()).hexdigest()[:32]
    name = f"{instance.sop_instance_uid}-{instance.sha256[:digest_characters]}.dcm"
    return Path(study[:2], study, name)
