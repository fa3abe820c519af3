"""Ejection fraction of the left ventricle, from an end-diastolic and an end-systolic picture of one view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.packages.settings_regression import RegressionSettings
from trainer.errors import MissingData
from trainer.tasks.bars import Bar
from trainer.tasks.coded import EJECTION_FRACTION, HEART
from trainer.tasks.spec import Row, TaskSpec, Variation
from trainer.tasks.truths import Number

COLUMN = "ef_single_plane_from_masks_pct"
LEAST = 1.0  # %: of one patient the set has the same outline twice
MEAN, DEVIATION = 50.0, 13.0  # %, of the training pairs


def fraction(folder: Path, name: str, row: Row) -> Number | None:
    """The ejection fraction that belongs to an end-diastolic picture; its end-systolic one comes beside it."""
    value = float(row[COLUMN])
    return Number(value=value) if row["phase"] == "ED" and value >= LEAST else None


def systole(row: Row, listed: Sequence[Row]) -> list[Row]:
    """The end-systolic picture of the same patient and view.

    Raises
    ------
    MissingData
        There is not exactly one.
    """
    same = [
        each
        for each in listed
        if each["phase"] == "ES" and all(each[key] == row[key] for key in ("patient_id", "view"))
    ]
    if len(same) != 1:
        raise MissingData(f"picture {row['id']} has {len(same)} end-systolic pictures of its patient and view, not one")
    return same


SPEC = TaskSpec(
    name="ejection-fraction",
    title="Ejection fraction from two stills",
    intended_use="Estimates the left-ventricular ejection fraction from an end-diastolic and an end-systolic frame of"
    " one apical view, without outlines. `heart-chambers` tells it from outlines, and of whole cines.",
    words="exactly two B-mode frames of one apical four- or two-chamber view, phased-array probe: end-diastole and"
    " end-systole, in any order",
    not_for="cines of more frames, other views, Doppler, contrast",
    size=192,
    settings=RegressionSettings(
        scope=0.5,
        name="ejection fraction",
        code=EJECTION_FRACTION,
        site=HEART,
        unit="%",
        over="frames",
        least_frames=2,
        most_frames=2,
        more="refused",
        centre=MEAN,
        scale=DEVIATION,
        plausible=(-1000.0, 1000.0),
        most_spread=1000.0,
        tolerance=5.0,
    ),
    data=("camus_4ch",),
    headline=("ejection fraction, mean absolute error", "ejection fraction, bias"),
    bars=(
        Bar(figure="ejection fraction, mean absolute error", most=10.0),
        Bar(figure="ejection fraction, bias", least=-5.0, most=5.0),
    ),
    truth=fraction,
    beside=systole,
    # the left heart lies on one side of these views: mirrored pictures would teach what no probe shows
    variation=Variation(turn_deg=12.0, mirrored=False, drawn=0.1),
    limits=(
        "the reference is DERIVED: the method of discs on experts' outlines of the same two pictures, in one plane; the"
        " hospital's own ejection fractions are not published with the data",
        "one hospital, one scanner; the two frames were chosen by experts, and a pair chosen otherwise tells less",
        "numbers beyond those of the training pairs are not said",
        "for non-commercial research only, by the terms of the data set",
    ),
)
