"""How far the ejection fraction is off that masks of end-diastole and end-systole give, beside how right the masks are.

The reference is made by the same method from the outlines that people drew: it tells errors of outlines, not of the
method.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.geometry.discs import Discs, discs_of, ejection_fraction
from models.packages.settings_pictures import SegmentationSettings
from trainer.adapting.agreement import figures
from trainer.adapting.bland_altman import bland_altman
from trainer.adapting.case import Case, mean, result
from trainer.adapting.judging_masks import segmentation_results, united
from trainer.evaluate import Result
from trainer.tasks.truths import LabelMap

VIEW, PHASE = "view", "phase"  # traits of pictures
DIASTOLE, SYSTOLE = "ED", "ES"
WORDS = "by discs"


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


def _pairs(cases: Sequence[Case]) -> list[tuple[Case, Case]]:
    """End-diastole and end-systole of the same patient and view, where there is one of each."""
    seen: dict[tuple[str, str], dict[str, Case]] = {}
    for case in cases:
        traits = case.asked.example.traits
        if VIEW in traits and PHASE in traits:
            seen.setdefault((case.asked.example.patient, traits[VIEW]), {})[traits[PHASE]] = case
    return [(both[DIASTOLE], both[SYSTOLE]) for both in seen.values() if {DIASTOLE, SYSTOLE} <= set(both)]


def _row(diastole: Case, systole: Case, settings: SegmentationSettings) -> tuple[float, float] | None:
    """Ejection fraction by what was marked and by what is true, %; None where the cavity was not marked in both."""
    if settings.ejection is None:
        return None
    name = settings.ejection.structure
    number = 1 + [each.structure.name for each in settings.structures].index(name)
    marked, true = [], []
    for case in (diastole, systole):
        truth = case.asked.example.truth
        if not isinstance(truth, LabelMap):
            return None
        marked.append(_discs(united(case.asked.findings, name, truth.classes.shape)))
        true.append(_discs(truth.classes == number))
    found, reference = _fraction(*marked), _fraction(*true)
    return None if found is None or reference is None else (found, reference)


def _discs(mask: NDArray[np.bool_]) -> Discs | None:
    return discs_of(mask.astype(np.float32))


def _fraction(diastole: Discs | None, systole: Discs | None) -> float | None:
    if diastole is None or systole is None:
        return None
    return ejection_fraction(diastole.volume, systole.volume)
