"""Figures of groups of pictures."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.trainer.adapting import toy
from trainer.adapting.case import Asked, Case
from trainer.adapting.subgroups import SIZE, sized, subgroups
from trainer.tasks.spec import Example
from trainer.tasks.truths import Answer

SETTINGS = toy.KINDS["segmentation"]


def case(dice: float, patient: str, **traits: str) -> Case:
    example = Example(
        name="set/1", picture=np.zeros((8, 8), np.uint8), truth=Answer(number=0), patient=patient, traits=traits
    )
    asked = Asked(example=example, findings=(), raw={}, place=None)
    return Case(asked=asked, goodness=dice, scores={("Dice", ""): dice})


def test_subgroups__by_device__have_their_own_figures_and_counts():
    cases = [case(0.9, f"a{i}", device="A") for i in range(6)] + [case(0.5, "b", device="B") for _ in range(2)]
    one, two = subgroups(cases, SETTINGS, "test")
    assert (one.trait, one.value, one.patients, one.pictures, one.too_small) == ("device", "A", 6, 6, False)
    assert [round(each.value, 3) for each in one.figures] == [0.9]
    assert (two.value, two.patients, two.pictures, two.too_small) == ("B", 1, 2, True)
    assert two.figures[0].value == 0.5


def test_subgroups__of_one_patient__are_told_without_an_interval():
    cases = [case(0.9, "a", device="A"), case(0.8, "a", device="A"), case(0.5, "b", device="B")]
    assert subgroups(cases, SETTINGS)[0].figures[0].low is None


def test_subgroups__a_trait_that_all_share_or_that_is_not_known__makes_no_group():
    cases = [case(0.9, "a", device="A", view="2CH"), case(0.9, "b", device="A"), case(0.7, "c", device="A", view="4CH")]
    assert [(each.trait, each.value, each.pictures) for each in subgroups(cases, SETTINGS)] == [
        ("view", "2CH", 1),
        ("view", "4CH", 1),
    ]


@pytest.mark.parametrize("kind", ["outline", "segmentation", "detection"])
def test_sized__by_thirds_of_the_train_split__tells_small_from_large(kind, tmp_path):
    task, data = toy.spec(kind), toy.make(tmp_path)
    examples = sized(task, data, task.examples(data, "test"))
    for example, row in zip(examples, _rows(data, "test"), strict=True):
        assert example.traits[SIZE].startswith("small" if row["radius"] == "12" else "large"), example.traits
        assert example.traits["data set"] == toy.SET


def test_sized__of_answers__leaves_them_as_they_are(tmp_path):
    task, data = toy.spec("classification"), toy.make(tmp_path)
    assert all(SIZE not in example.traits for example in sized(task, data, task.examples(data, "test")))


def _rows(data, split):
    with (data / toy.SET / "index.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]
