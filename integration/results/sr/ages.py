"""The gestational age that a fetal measurement tells, by an equation with a name and a range.

References
----------
Hadlock FP, Deter RL, Harrist RB, Park SK, "Estimating fetal age: computer-assisted analysis of multiple fetal growth
parameters", Radiology 152:497-501, 1984: 361 fetuses between 14 and 42 menstrual weeks; a single parameter alone
gives, of the head circumference HC in cm, 8.96 + 0.540 HC + 0.0003 HC^3 weeks. DICOM PS3.16 CID 12013 names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.sr.coding import Code as DicomCode

from integration.results import codes

DAYS_OF_WEEK: Final = 7
MM_OF_CM: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeEquation:
    """Weeks as a polynomial of a length in cm, for the ages of the fetuses that it was made from."""

    code: DicomCode  # of CID 12013
    coefficients: tuple[float, ...]  # of cm^0, cm^1, ...
    least_weeks: float
    most_weeks: float

    def weeks(self, length_mm: float) -> float:
        """What the polynomial gives, within its range or not."""
        length_cm = length_mm / MM_OF_CM
        return float(sum(factor * length_cm**power for power, factor in enumerate(self.coefficients)))


@dataclass(frozen=True, slots=True, kw_only=True)
class GestationalAge:
    """An age that may be said."""

    days: int
    equation: AgeEquation

    @property
    def words(self) -> str:
        """ "20 weeks 3 days (HC, Hadlock 1984; made for 14 to 42 weeks)"."""
        weeks, days = divmod(self.days, DAYS_OF_WEEK)
        least, most = self.equation.least_weeks, self.equation.most_weeks
        return f"{weeks} weeks {days} days ({self.equation.code.meaning}; made for {least:g} to {most:g} weeks)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAge:
    """Why a measurement tells no age."""

    reason: str


HC_HADLOCK_1984: Final = AgeEquation(
    code=codes.HC_HADLOCK_1984,
    coefficients=(8.96, 0.540, 0.0, 0.0003),
    least_weeks=14.0,
    most_weeks=42.0,
)
_EQUATIONS: Final = {codes.HEAD_CIRCUMFERENCE.value: HC_HADLOCK_1984}
_REASONS: Final = {
    codes.BIPARIETAL_DIAMETER.value: "BPD, Hadlock 1984 is of the diameter from outer to inner edge of the skull, and"
    " tasks measure from outer to outer edge, by which the fetus would seem some days too old",
}


def gestational_age(measurement: str, length_mm: float) -> GestationalAge | NoAge | None:
    """The age that a fetal measurement tells.

    Parameters
    ----------
    measurement
        LOINC code of CID 12005.
    length_mm
        What was measured.

    Returns
    -------
    GestationalAge, NoAge or None
        None where no age is ever told of such a measurement; NoAge where one could be expected, with the reason: the
        equation does not reach so far, or measures otherwise.
    """
    equation = _EQUATIONS.get(measurement)
    if equation is None:
        reason = _REASONS.get(measurement)
        return None if reason is None else NoAge(reason=reason)
    weeks = equation.weeks(length_mm)
    if not equation.least_weeks <= weeks <= equation.most_weeks:
        return NoAge(
            reason=f"{equation.code.meaning} was made from fetuses of {equation.least_weeks:g} to"
            f" {equation.most_weeks:g} weeks, and this is {'less' if weeks < equation.least_weeks else 'more'} than"
            " it gives to any of these"
        )
    return GestationalAge(days=round(weeks * DAYS_OF_WEEK), equation=equation)
