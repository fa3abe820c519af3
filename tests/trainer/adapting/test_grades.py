"""Categories in order: which rows have them, their codes, and the figures of grades worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

from models.packages.settings_pictures import OrdinalSettings
from trainer.adapting.judging_grades import at_cut, quadratic_kappa
from trainer.tasks import SPECS
from trainer.tasks.breast_birads import CATEGORIES, category
from trainer.tasks.thyroid_tirads import category as tirads


def test_birads__categories__are_coded_as_the_dictionary_of_dicom_has_them():
    known = {value: meaning for each in concepts["SCT"].values() for value, (meaning, _) in each.items()}
    for number, code in CATEGORIES.items():
        assert f"(Category {number})" in known[code.value]


@pytest.mark.parametrize(("given", "number"), [("2", 0), ("5", 3)])
def test_birads__of_a_row__counts_from_the_lowest(given, number):
    answer = category(Path(), "bus_bra", {"birads": given})
    assert answer is not None
    assert answer.number == number


def test_tirads__parts_of_four__are_grades_of_their_own_and_none_is_no_example():
    numbers = [tirads(Path(), "thyroid", {"tirads": each}) for each in ("3", "4a", "4b", "4c", "5")]
    assert [each.number for each in numbers if each is not None] == [1, 2, 3, 4, 5]
    assert tirads(Path(), "thyroid", {"tirads": ""}) is None


@pytest.mark.parametrize("name", ["breast-birads", "thyroid-tirads"])
def test_grades__on_cards__tell_a_probability_each(name):
    settings = SPECS[name].settings
    assert isinstance(settings, OrdinalSettings)
    told = {grade.probability.name for grade in settings.grades if grade.probability is not None}
    assert len(told) == len(settings.grades)


def test_kappa__of_four_grades__as_worked_out_by_hand():
    rows = np.array([[0, 0], [1, 1], [1, 2], [2, 2], [-1, 0]], dtype=float)
    off = 1 / 4
    by_chance = np.mean([(s - t) ** 2 for s in (0, 1, 1, 2) for t in (0, 1, 2, 2)])
    assert quadratic_kappa(rows) == pytest.approx(1 - off / by_chance)
    assert quadratic_kappa(np.array([[0.0, 0], [2, 2]])) == 1
    assert np.isnan(quadratic_kappa(np.array([[-1.0, 0]])))


def test_cut__of_a_scale__ranks_by_the_probability_of_all_grades_above_it():
    rows = np.array([[0, 0.8, 0.1, 0.1], [1, 0.3, 0.4, 0.3], [2, 0.1, 0.2, 0.7], [0, 0.2, 0.5, 0.3]])
    assert at_cut(2)(rows) == 1
    assert at_cut(1)(rows) == pytest.approx(3 / 4)
