"""Findings of a heart, as the tasks that outline chambers and that estimate a number give them."""

from __future__ import annotations

from typing import Any

from integration.pixels import SourceImage, in_physical_units
from models.findings import Code, Finding, Mask, Measure, Narrative, Quantity
from models.readers.ejecting import METHOD
from tests.integration.results.sources import ANATOMY, AXES, CENTRE, ellipse, outline

HEART = Code(value="80891009", scheme="SCT", meaning="Heart")
LEFT_VENTRICLE = Code(value="87878005", scheme="SCT", meaning="Left ventricle")
LEFT_ATRIUM = Code(value="82471001", scheme="SCT", meaning="Left atrium")
AREA = Code(value="42798000", scheme="SCT", meaning="Area")
EJECTION = Code(value="18043-0", scheme="LN", meaning="Left Ventricular Ejection Fraction by US")
BIPLANE = Code(value="79991-6", scheme="LN", meaning="Left ventricular ejection fraction biplane (MOD)")
WORDS = "ejection fraction 55.2 % by the method of discs in one plane"
LENGTH, WIDTHS = 60, (40, 28)  # px, of the cavity when it is largest and smallest: a cylinder
VOLUME_CODES = tuple(
    Code(value=value, scheme="LN", meaning=meaning)
    for value, meaning in (
        ("18026-5", "Left Ventricular End Diastolic Volume"),
        ("18148-7", "Left Ventricular End Systolic Volume"),
    )
)
VOLUME_CODES_4C = tuple(
    Code(value=value, scheme="LN", meaning=f"Left ventricular end {phase} volume single plane 4C (MOD)")
    for value, phase in (("79999-9", "diastolic"), ("80004-5", "systolic"))
)


def chambers(source: SourceImage, *, frame: int = 1) -> tuple[Finding, ...]:
    """Left ventricle and left atrium, each with its area."""
    found: list[Finding] = []
    for name, code, axes in (("left ventricle", LEFT_VENTRICLE, AXES), ("left atrium", LEFT_ATRIUM, (15, 10))):
        shared = {"group": f"{name} 1", "frame": frame, "site": HEART, "confidence": 0.9}
        found += [
            Mask(
                name=name,
                code=code,
                category=ANATOMY,
                rows=source.rows,
                columns=source.columns,
                deflated=Mask.deflate(ellipse(source.rows, source.columns, CENTRE, axes)),
                **shared,
            ),
            Quantity(
                name="area",
                code=AREA,
                value=0.0,
                unit="px2",
                measure=Measure.AREA,
                points=outline(axes=axes),
                **shared,
            ),
        ]
    return in_physical_units(found, source.calibration)


def by_discs(*, diastole: int = 2, systole: int = 4) -> tuple[Finding, ...]:
    """An ejection fraction as outlines of a clip give it."""
    shared = {"name": "ejection fraction", "group": "ejection fraction 1", "code": EJECTION, "site": LEFT_VENTRICLE}
    return (
        Quantity(frame=diastole, confidence=0.8, value=55.23, unit="%", method=METHOD, **shared),
        Narrative(frame=systole, text=WORDS, **shared),
    )


def volumes(source: SourceImage, **phases: Any) -> tuple[Finding, ...]:
    """Largest and smallest volume of the left ventricle as outlines of a clip give them, in ml where it has a scale."""
    return in_physical_units(piles(**phases), source.calibration)


def piles(*, diastole: int = 2, systole: int = 4, coded: tuple[Code, ...] = VOLUME_CODES) -> tuple[Finding, ...]:
    """The same in pixels, as a task gives them."""
    (x, y), found = CENTRE, list[Finding]()
    for name, code, frame, width in zip(
        ("end-diastolic volume", "end-systolic volume"), coded, (diastole, systole), WIDTHS, strict=True
    ):
        levels = [y + LENGTH * share for share in (-0.4, 0.0, 0.4)]
        left, right = ([(x + side * width / 2, level) for level in levels] for side in (-1, 1))
        found.append(
            Quantity(
                name=name,
                group="ejection fraction 1",
                frame=frame,
                code=code,
                site=HEART,
                confidence=0.8,
                value=0.0,
                unit="px3",
                measure=Measure.VOLUME,
                points=((x, y - LENGTH / 2), *left, (x, y + LENGTH / 2), *reversed(right)),
                method=METHOD,
            )
        )
    return tuple(found)


def estimated(*, code: Code = EJECTION) -> tuple[Finding, ...]:
    """An ejection fraction as a network estimates it, without outlines."""
    return (
        Quantity(
            name="ejection fraction", group="ejection fraction", frame=1, code=code, site=HEART, value=61.0, unit="%"
        ),
    )
