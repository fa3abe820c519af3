"""How far the ejection fraction is off that masks of end-diastole and end-systole give, beside how right the masks are.

The reference is made by the same method from the outlines that people drew: it tells errors of outlines, not of the
method.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.geometry.discs import Discs, discs_of, ejection_fraction
from models.packages.settings_ejection import EjectionFraction
from models.packages.settings_pictures import SegmentationSettings
from trainer.adapting.agreement import figures
from trainer.adapting.bland_altman import bland_altman
from trainer.adapting.case import Asked, Case, mean, result
from trainer.adapting.judging_masks import segmentation_results, united
from trainer.bootstrap import interval
from trainer.evaluate import Result
from trainer.tasks.truths import LabelMap

VIEW, PHASE = "view", "phase"  # traits of pictures
DIASTOLE, SYSTOLE = "ED", "ES"
WORDS = "by discs"
LEAST_PAIRS = 10  # of validation, or nothing is mended
MOST_OFF = 10.0  # points, mean absolute error


def results(cases: Sequence[Case], settings: SegmentationSettings, data: str) -> list[Result]:
    """Means of all scores; of pairs of end-diastole and end-systole also the agreement of ejection fractions."""
    whole = segmentation_results(cases, settings, data)
    pairs = _pairs(cases) if settings.ejection is not None else []
    if settings.ejection is None or not pairs:
        return whole
    name = f"{settings.ejection.name} {WORDS}"
    found = [(diastole, row) for diastole, systole in pairs if (row := _row(diastole, systole, settings)) is not None]
    share = [(diastole, (100.0 * (diastole in [case for case, _ in found]),)) for diastole, _ in pairs]
    whole.append(result((f"{name}, answered", "%"), data, share, mean))
    told = [result(score, data, found, figure) for score, figure in figures(name, "%")] if found else []
    return [*whole, *(each for each in told if np.isfinite(each.value))]


def plots(cases: Sequence[Case], settings: SegmentationSettings) -> list[str]:
    """One plot of Bland and Altman of the ejection fractions; none where there are no pairs."""
    if settings.ejection is None:
        return []
    rows = [row for diastole, systole in _pairs(cases) if (row := _row(diastole, systole, settings)) is not None]
    if not rows:
        return []
    found, reference = zip(*rows, strict=True)
    return [bland_altman(reference, found, "%", f"{settings.ejection.name} {WORDS}")]


def mended(seen: Sequence[Asked], settings: SegmentationSettings) -> EjectionFraction | None:
    """What a card says of ejection fractions, as validation pairs want it.

    What they lack is added where it is no chance, by 95 %. Where they are off by more than `MOST_OFF` even so, none is
    said.
    """
    if settings.ejection is None:
        return None
    asked = _by_view(seen)
    rows = [(one.example.patient, row) for one, other in asked if (row := fractions(one, other, settings)) is not None]
    if len(rows) < LEAST_PAIRS:
        return settings.ejection
    off = [(reference - found,) for _, (found, reference) in rows]
    lacking = interval(off, [patient for patient, _ in rows], mean)
    certain = lacking.low is not None and lacking.high is not None and lacking.low * lacking.high > 0
    shift = round(lacking.value, 1) if certain else 0.0
    if float(np.mean(np.abs(np.array(off) - shift))) > MOST_OFF:
        return None
    return settings.ejection.model_copy(update={"shift": shift})


def fractions(diastole: Asked, systole: Asked, settings: SegmentationSettings) -> tuple[float, float] | None:
    """Ejection fraction by what was marked and by what is true, %, nothing added; None where one has no cavity."""
    if settings.ejection is None:
        return None
    name = settings.ejection.structure
    number = 1 + [each.structure.name for each in settings.structures].index(name)
    marked, true = [], []
    for asked in (diastole, systole):
        truth = asked.example.truth
        if not isinstance(truth, LabelMap):
            return None
        marked.append(_discs(united(asked.findings, name, truth.classes.shape)))
        true.append(_discs(truth.classes == number))
    found, reference = _fraction(*marked), _fraction(*true)
    return None if found is None or reference is None else (found, reference)


def _pairs(cases: Sequence[Case]) -> list[tuple[Case, Case]]:
    known = {id(case.asked): case for case in cases}
    return [(known[id(one)], known[id(other)]) for one, other in _by_view([case.asked for case in cases])]


def _by_view(seen: Sequence[Asked]) -> list[tuple[Asked, Asked]]:
    """End-diastole and end-systole of the same patient and view, where there is one of each."""
    views: dict[tuple[str, str], dict[str, Asked]] = {}
    for asked in seen:
        traits = asked.example.traits
        if VIEW in traits and PHASE in traits:
            views.setdefault((asked.example.patient, traits[VIEW]), {})[traits[PHASE]] = asked
    return [(both[DIASTOLE], both[SYSTOLE]) for both in views.values() if {DIASTOLE, SYSTOLE} <= set(both)]


def _row(diastole: Case, systole: Case, settings: SegmentationSettings) -> tuple[float, float] | None:
    """Ejection fraction as it is said, and by what is true, %."""
    row = fractions(diastole.asked, systole.asked, settings)
    if row is None or settings.ejection is None:
        return None
    return row[0] + settings.ejection.shift, row[1]


def _discs(mask: NDArray[np.bool_]) -> Discs | None:
    return discs_of(mask.astype(np.float32))


def _fraction(diastole: Discs | None, systole: Discs | None) -> float | None:
    if diastole is None or systole is None:
        return None
    return ejection_fraction(diastole.volume, systole.volume)
