"""What the licences of training data leave open, in three words.

A reader's help, no legal advice: the words of the licence stay on the card beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

Use: TypeAlias = Literal["permissive", "unclear", "non-commercial"]
STRICTNESS: tuple[Use, ...] = get_args(Use)  # later ones outweigh earlier ones

NON_COMMERCIAL = re.compile(
    r"\bNC\b|non-?\s?commercial|(not for|no) commercial|research (use )?only|academic use", re.IGNORECASE
)
UNCLEAR = re.compile(
    r"\b(SA|ND)\b|share-?\s?alike|no-?\s?deriv|unclear|unknown|perhaps|\b(no|not|none)\b", re.IGNORECASE
)
PERMISSIVE = re.compile(
    r"\bCC[ -]?BY\b|\bCC[ -]?0\b|\bMIT\b|\bBSD\b|\bApache\b|public domain|permissive|this repository's", re.IGNORECASE
)


def use_of_licence(words: str) -> Use:
    """What the words of a licence allow; `unclear` where they do not plainly say so."""
    if NON_COMMERCIAL.search(words):
        return "non-commercial"
    if UNCLEAR.search(words) or not PERMISSIVE.search(words):
        return "unclear"
    return "permissive"


def strictest(uses: Iterable[Use]) -> Use:
    """What all data sets together leave open; `unclear` where none is named."""
    return max(uses, key=STRICTNESS.index, default="unclear")
