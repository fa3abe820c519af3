"""Quantities in pixels to physical units, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from integration.pixels.calibration import Calibration, NotCalibrated
from models.findings import Finding, Measure, NoFinding, Point, Quantity

PIXEL_UNITS = frozenset({"px", "px2", "px3"})


def in_physical_units(findings: Sequence[Finding], calibration: Calibration) -> tuple[Finding, ...]:
    """Give every geometric quantity in mm, mm2 or ml where the image proves the scale at its points.

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
        mm2; where no scale is proven it stays as it was, with `reason`. A volume, in "px3", is measured in ml where
        one region's scale holds for all volumes of its group, which are compared with each other; else a `NoFinding`
        with the reason stands in its place: cubed pixels tell nobody anything. All else is untouched.
    """
    return tuple(_converted(finding, findings, calibration) for finding in findings)


def _converted(finding: Finding, findings: Iterable[Finding], calibration: Calibration) -> Finding:
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
            case Measure.VOLUME:
                beside = _of_all_volumes(findings, finding.group)
                return replace(finding, value=calibration.volume_ml(points, beside), unit="ml", reason=None)
            case Measure.NONE:
                return replace(finding, reason=finding.reason or "it has no points to measure between")
    except NotCalibrated as withheld:
        return _unscaled(finding, str(withheld))


def _of_all_volumes(findings: Iterable[Finding], group: str) -> list[Point]:
    return [
        point
        for finding in findings
        if isinstance(finding, Quantity) and finding.measure is Measure.VOLUME and finding.group == group
        for point in finding.points
    ]


def _unscaled(finding: Quantity, reason: str) -> Finding:
    if finding.measure is not Measure.VOLUME:
        return replace(finding, reason=reason)
    return NoFinding(
        name=finding.name,
        group=finding.group,
        frame=finding.frame,
        code=finding.code,
        site=finding.site,
        confidence=finding.confidence,
        reason=reason,
    )
