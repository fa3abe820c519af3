"""Findings as lines of `predict`'s table."""

from __future__ import annotations

from models.findings import (
    Box,
    Category,
    EnhancedImage,
    Finding,
    Landmarks,
    Mask,
    Narrative,
    NoFinding,
    Quantity,
)

MOST_POINTS = 6  # in one line
COLUMNS = ("frame", "thing", "finding", "value", "note")
Row = tuple[str, str, str, str, str]


def rows_of(findings: tuple[Finding, ...]) -> list[Row]:
    """A line for each finding; masks of a thing that is measured are said by their measurements."""
    measured = {finding.group for finding in findings if isinstance(finding, Quantity) and finding.points}
    told = [f for f in findings if not (isinstance(f, Mask) and f.group in measured)]
    return [(str(f.frame), f.group, f.name, *_said(f)) for f in told]


def _said(finding: Finding) -> tuple[str, str]:
    """Value and note."""
    sure = "" if finding.confidence is None else f"certainty {finding.confidence:.2f}"
    match finding:
        case Quantity():
            unit = "" if finding.unit == "1" else f" {finding.unit}"
            return f"{finding.value:.4g}{unit}", finding.reason or ""
        case Category():
            likely = "" if finding.probability is None else f"probability {finding.probability:.2f}"
            return finding.value.meaning, likely
        case NoFinding():
            return "nothing is said", finding.reason
        case Mask():
            return f"{100 * float(finding.to_array().mean()):.1f} % of the picture", sure
        case Box():
            return f"({finding.left:.0f}, {finding.top:.0f}) to ({finding.right:.0f}, {finding.bottom:.0f})", sure
        case Landmarks():
            return _points(finding), sure
        case Narrative():
            return finding.text, ""
        case EnhancedImage():
            return f"{finding.pixels.shape[0]} x {finding.pixels.shape[1]} pixels", "-o writes it"
        case _:
            return "", sure


def _points(finding: Landmarks) -> str:
    pairs = zip(finding.labels, finding.points, strict=True)
    marks = [f"{label} ({x:.0f}, {y:.0f})" for label, (x, y) in pairs]
    more = [f"{len(marks) - MOST_POINTS} more"] if len(marks) > MOST_POINTS else []
    return ", ".join(marks[:MOST_POINTS] + more)
