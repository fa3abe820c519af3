"""Colours that tell things apart on gray ultrasound, and for readers who confuse red and green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from models.findings import Finding

Rgb: TypeAlias = tuple[int, int, int]

PALETTE: Final[tuple[Rgb, ...]] = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 94, 0),  # vermilion
)
"""From the palette of Okabe and Ito: those that are light enough to be read on black."""


def rgb_of(index: int) -> Rgb:
    """The colour of the index-th thing, from 0."""
    return PALETTE[index % len(PALETTE)]


def colours_of(findings: Sequence[Finding]) -> dict[str, Rgb]:
    """The colour of each thing, in the order in which they come."""
    return {group: rgb_of(index) for index, group in enumerate(dict.fromkeys(finding.group for finding in findings))}
