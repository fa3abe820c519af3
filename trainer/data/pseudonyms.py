"""Names that say nothing: a keyed hash of what identifies somebody.

With the key the same patient gets the same pseudonym in every cohort of a site; without it nobody can try patient
ids until one fits, which a plain hash would allow. The key never lies in what is made.

References
----------
RFC 2104 (HMAC), DICOM PS3.15 E.1.1 (replacement by consistent dummy values).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from trainer.data.errors import BadKey

KEY_BYTES: Final = 32
LEAST_KEY_BYTES: Final = 16
CHARACTERS: Final = 20  # hexadecimal, 80 bits


class Pseudonyms:
    """Pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, *parts: str) -> str:
        """The pseudonym of what the parts name together; `kind` keeps patients and files apart."""
        message = "\0".join((kind, *parts)).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:CHARACTERS]


def open_pseudonyms(path: Path) -> Pseudonyms:
    """Pseudonyms under the key in a file; where there is none, one is drawn and kept there for this user alone.

    Raises
    ------
    BadKey
        The file cannot be read or made, is too short, or others can read it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
        key = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as fault:
        raise BadKey(
            f"the key of the pseudonyms {path} cannot be used ({fault.strerror}): name another file"
        ) from fault
    if len(key) < LEAST_KEY_BYTES:
        raise BadKey(f"the key {path} has {len(key)} bytes, at least {LEAST_KEY_BYTES} are needed: name another file")
    if mode & 0o077:
        raise BadKey(f"the key {path} can be read by others: chmod 600 {path}")
    return Pseudonyms(key)
