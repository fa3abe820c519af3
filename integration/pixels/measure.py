"""Quantities in pixels to physical units, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integration.pixels.calibration import Calibration, NotCalibrated
from models.findings import Finding, Measure, Quantity

PIXEL_UNITS = frozenset({"px", "px2"})


def in_physical_units(findings: Sequence[Finding], calibration: Calibration) -> tuple[Finding, ...]:
    """Give every geometric quantity in mm or mm2 where the image proves the scale at its points.

    Parameters
    ----------
    findings
        As a task gave them, geometry in pixels of the source frame.
    calibration
        Of the source instance.

    Returns
    -------
    tuple of Finding
        The same findings in the same order. A quantity in "px" or "px2" is measured anew from its points, in mm or
        mm2; where no scale is proven it stays as it was, with `reason`. All else is untouched.
    """
    return tuple(_converted(finding, calibration) for finding in findings)


def _converted(finding: Finding, calibration: Calibration) -> Finding:
    if not isinstance(finding, Quantity) or finding.unit not in PIXEL_UNITS:
        return finding
    points = finding.points
    try:
        match finding.measure:
            case Measure.LENGTH:
                return replace(finding, value=calibration.length_mm(points), unit="mm", reason=None)
            case Measure.PERIMETER:
                return replace(finding, value=calibration.length_mm([*points, *points[:1]]), unit="mm", reason=None)
            case Measure.AREA:
                return replace(finding, value=calibration.area_mm2(points), unit="mm2", reason=None)
            case Measure.NONE:
                return replace(finding, reason=finding.reason or "it has no points to measure between")
    except NotCalibrated as withheld:
        return replace(finding, reason=str(withheld))
