"""Which split a patient belongs to, by the rule that the data sets in the repository's cards follow."""

from __future__ import annotations

import hashlib
from typing import Final

SPLITS: Final = ("aside", "test", "val", "train")
"""What is judged on comes first: of two pictures that look alike the later one is left out."""


def split_of(patient: str) -> str:
    """SHA-256 of the patient's key, modulo 10: 0 to 6 train, 7 val, 8 test, 9 kept aside and never trained on.

    The key is the patient's id itself, not a pseudonym: another key of the pseudonyms must not move a patient from
    test to train.
    """
    tenth = int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 10
    return {7: "val", 8: "test", 9: "aside"}.get(tenth, "train")
