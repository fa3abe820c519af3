"""The frames of a clip that a reader should see first."""

from __future__ import annotations

from collections.abc import Sequence

from models.findings import EnhancedImage, Finding, Mask, NoFinding


def key_frames(findings: Sequence[Finding]) -> tuple[int, ...]:
    """For each thing, and for each that is said of it, the frame on which the task was surest.

    Masks count only of things of which nothing else is said, processed pictures and silence not at all: a clip with a
    mask on each of its hundred frames has few that matter.

    Returns
    -------
    tuple of int
        Frame numbers from 1, rising; empty where nothing was found.
    """
    said = [finding for finding in findings if not isinstance(finding, NoFinding | EnhancedImage)]
    spoken_of = {finding.group for finding in said if not isinstance(finding, Mask)}
    surest: dict[tuple[str, str], Finding] = {}
    for finding in said:
        if isinstance(finding, Mask) and finding.group in spoken_of:
            continue
        kept = surest.get((finding.group, finding.name))
        if kept is None or (finding.confidence or 0) > (kept.confidence or 0):
            surest[finding.group, finding.name] = finding
    return tuple(sorted({finding.frame for finding in surest.values()}))
