"""Gestational age from a measurement, against what was published, and withheld outside of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.results import codes
from integration.results.sr.ages import HC_HADLOCK_1984, GestationalAge, NoAge, gestational_age

HC, BPD, OFD = "11984-2", "11820-8", "11851-3"

# Hadlock et al., Radiology 152:497-501, 1984: 8.96 + 0.540 HC + 0.0003 HC^3, by hand
BY_HAND = {90.0: 14.0387, 100.0: 14.66, 175.0: 20.0178, 200.0: 22.16, 250.0: 27.1475, 300.0: 33.26, 350.0: 40.7225}

# Head circumference by menstrual week of the same authors and year, as tables repeat it (cm); its curve was fitted the
# other way round, size by age, so that the two agree only as far as heads of one age differ
SIZE_OF_WEEK = {
    15: 11.0,
    18: 15.1,
    20: 17.7,
    22: 20.1,
    25: 23.5,
    28: 26.6,
    30: 28.4,
    33: 30.8,
    36: 32.8,
    38: 33.8,
    40: 34.6,
}
APART_WEEKS = 1.5


@pytest.mark.parametrize(("length_mm", "weeks"), BY_HAND.items())
def test_age__of_a_head_circumference__is_that_of_the_paper(length_mm, weeks):
    assert HC_HADLOCK_1984.weeks(length_mm) == pytest.approx(weeks, abs=1e-4)
    age = gestational_age(HC, length_mm)
    assert isinstance(age, GestationalAge)
    assert age.days == round(7 * weeks)
    assert age.equation.code == codes.HC_HADLOCK_1984


@pytest.mark.parametrize(("week", "length_cm"), SIZE_OF_WEEK.items())
def test_age__of_the_mean_head_of_a_week__is_near_that_week(week, length_cm):
    assert HC_HADLOCK_1984.weeks(10 * length_cm) == pytest.approx(week, abs=APART_WEEKS)


@given(st.floats(1, 500), st.floats(0, 100))
def test_age__of_a_larger_head__is_never_less(length_mm, more_mm):
    assert HC_HADLOCK_1984.weeks(length_mm + more_mm) >= HC_HADLOCK_1984.weeks(length_mm)


@given(st.floats(0, 1000))
def test_age__of_any_length__is_within_its_range_or_withheld_with_the_range(length_mm):
    match gestational_age(HC, length_mm):
        case GestationalAge(days=days):
            assert 14 * 7 <= days <= 42 * 7
        case NoAge(reason=reason):
            assert not 14 <= HC_HADLOCK_1984.weeks(length_mm) <= 42
            assert "14 to 42 weeks" in reason and "HC, Hadlock 1984" in reason
        case none:
            pytest.fail(f"a head circumference tells an age or why not, and this told {none}")


def test_age__of_measurements_without_an_equation__is_not_told():
    assert gestational_age(OFD, 100.0) is None
    outer = gestational_age(BPD, 50.0)
    assert isinstance(outer, NoAge) and "outer to inner" in outer.reason


def test_age__in_words__says_weeks_days_equation_and_range():
    age = gestational_age(HC, 200.0)
    assert isinstance(age, GestationalAge)
    assert age.words == "22 weeks 1 days (HC, Hadlock 1984; made for 14 to 42 weeks)"
