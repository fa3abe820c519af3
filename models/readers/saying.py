"""Readings to findings."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, Code, Finding, Mask, Measure, NoFinding, Point, Quantity
from models.geometry import diameters, outline_points, polygon
from models.geometry.extents import extent
from models.packages.settings import OutlineSettings, Question
from models.readers.areas import likely_in_frame
from models.readers.coordinates import as_points, to_frame
from models.readers.judging import Reading, mask_in_frame

OUTLINE_POINTS = 180  # a polygon of so many corners is 0.005 % shorter than its ellipse
HEAD_CIRCUMFERENCE = Code(value="11984-2", scheme="LN", meaning="Head Circumference")
BIPARIETAL_DIAMETER = Code(value="11820-8", scheme="LN", meaning="Biparietal Diameter")
OCCIPITOFRONTAL_DIAMETER = Code(value="11851-3", scheme="LN", meaning="Occipital-Frontal Diameter")
LONG_AXIS = Code(value="103339001", scheme="SCT", meaning="Long axis")
SHORT_AXIS = Code(value="103340004", scheme="SCT", meaning="Short axis")
AREA = Code(value="42798000", scheme="SCT", meaning="Area")


def mask_finding(reading: Reading, group: str, settings: OutlineSettings, *, likely: bool = False) -> Mask | None:
    """The outline of one frame as a mask, or None where no pixel of the frame lies inside.

    Where it is asked for, `likely`, with the probabilities of the outlined part as the head says them; of a task that
    fits an ellipse they do not follow it.
    """
    mask = mask_in_frame(reading)
    if not mask.any():
        return None
    kept = None
    if likely and reading.component is not None:
        kept = Mask.deflate_likely(likely_in_frame(reading.component.likely, reading.place))
    structure = settings.structure
    return Mask(
        name=structure.name,
        group=group,
        frame=reading.frame,
        code=structure.type.to_code(),
        site=structure.site.to_code(),
        confidence=reading.confidence,
        category=structure.category.to_code(),
        rows=reading.place.rows,
        columns=reading.place.columns,
        deflated=Mask.deflate(mask),
        likely=kept,
    )


def no_finding(reading: Reading, settings: OutlineSettings) -> NoFinding:
    """That nothing is said, and why."""
    return NoFinding(
        name=settings.structure.name,
        group=settings.structure.name,
        frame=reading.frame,
        code=settings.structure.type.to_code(),
        site=settings.structure.site.to_code(),
        confidence=reading.scope,
        reason=reading.silence or f"no {settings.structure.name} was found",
    )


def quantities(reading: Reading, group: str, settings: OutlineSettings) -> list[Finding]:
    """The measurements that a task asks for, in pixels of the source frame."""
    if settings.measures == "ellipse":
        return _ellipse_quantities(reading, group, settings)
    return _diameter_quantities(reading, group, settings)


def answers(
    probability: float, reading: Reading, group: str, settings: OutlineSettings, question: Question
) -> list[Finding]:
    """The answer to a task's question and its probability, per cent."""
    yes = probability >= question.threshold
    value, sure = (question.yes, probability) if yes else (question.no, 1 - probability)
    site = settings.structure.site.to_code()
    return [
        Category(
            name=question.name,
            group=group,
            frame=reading.frame,
            code=question.code.to_code(),
            site=site,
            confidence=sure,
            value=value.to_code(),
            probability=sure,
        ),
        Quantity(
            name=question.probability_name,
            group=group,
            frame=reading.frame,
            code=question.probability_code.to_code(),
            site=site,
            confidence=reading.confidence,
            value=100 * probability,
            unit="%",
            measure=Measure.NONE,
        ),
    ]


def _ellipse_quantities(reading: Reading, group: str, settings: OutlineSettings) -> list[Finding]:
    if reading.ellipse is None:
        return []
    measured = reading.ellipse.inset(settings.inset)
    rim = _in_frame(outline_points(measured, OUTLINE_POINTS), reading)
    long_ends = _in_frame(measured.at(np.array([0.0, pi])), reading)
    short_ends = _in_frame(measured.at(np.array([pi / 2, 3 * pi / 2])), reading)
    return [
        _geometric("head circumference", HEAD_CIRCUMFERENCE, Measure.PERIMETER, rim, (reading, group, settings)),
        _geometric("biparietal diameter", BIPARIETAL_DIAMETER, Measure.LENGTH, short_ends, (reading, group, settings)),
        _geometric(
            "occipitofrontal diameter", OCCIPITOFRONTAL_DIAMETER, Measure.LENGTH, long_ends, (reading, group, settings)
        ),
    ]


def _diameter_quantities(reading: Reading, group: str, settings: OutlineSettings) -> list[Finding]:
    if reading.component is None:
        return []
    rim = polygon(reading.component.likely)
    both = diameters(rim)
    if both is None:
        return []
    about = (reading, group, settings)
    return [
        _geometric("longest diameter", LONG_AXIS, Measure.LENGTH, _in_frame(both.longest, reading), about),
        _geometric("perpendicular diameter", SHORT_AXIS, Measure.LENGTH, _in_frame(both.perpendicular, reading), about),
        _geometric("area", AREA, Measure.AREA, _in_frame(rim, reading), about),
    ]


def _geometric(
    name: str, code: Code, measure: Measure, points: tuple[Point, ...], about: tuple[Reading, str, OutlineSettings]
) -> Quantity:
    reading, group, settings = about
    return Quantity(
        name=name,
        group=group,
        frame=reading.frame,
        code=code,
        site=settings.structure.site.to_code(),
        confidence=reading.confidence,
        value=extent(np.array(points), measure),
        unit="px2" if measure is Measure.AREA else "px",
        measure=measure,
        points=points,
    )


def _in_frame(points: NDArray[np.float64], reading: Reading) -> tuple[Point, ...]:
    """Points of the square to the whole frame, held inside it."""
    place = reading.place
    return as_points(np.clip(to_frame(points, place), [0.0, 0.0], [place.columns - 1.0, place.rows - 1.0]))
