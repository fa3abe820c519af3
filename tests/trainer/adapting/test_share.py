"""Learning from a share of the patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.trainer.adapting import toy
from trainer.adapting.plan import Plan
from trainer.adapting.pool import few, gather
from trainer.adapting.running import BadOrder, Order, adapt
from trainer.cli import app
from trainer.tasks.spec import Example
from trainer.tasks.truths import Answer, Outlined

BLANK = np.zeros((4, 4), np.uint8)
# of a plan as it was before there were shares: checkpoints and cards of such plans tell it
WITHOUT_SHARE = "d19c00ac53e73a9dd85828a6b8b2cac6e576c24001e8338799d659533c555f53"


def examples(answers: dict[int, int]) -> list[Example]:
    """Three pictures of each of so many patients of each answer."""
    return [
        Example(
            name=f"{answer}-{patient}-{n}", picture=BLANK, truth=Answer(number=answer), patient=f"{answer}{patient}"
        )
        for answer, count in answers.items()
        for patient in range(count)
        for n in range(3)
    ]


def patients(chosen: list[Example]) -> set[str]:
    return {example.patient for example in chosen}


def test_share__a_tenth__all_pictures_of_a_tenth_of_the_patients_of_each_answer():
    chosen = few(examples({0: 40, 1: 20, 2: 3}), None, 0, 0.1)
    found = patients(chosen)
    assert [sum(patient[0] == answer for patient in found) for answer in "012"] == [4, 2, 1]
    assert len(chosen) == 3 * len(found)


def test_share__another_seed__other_patients_and_the_same_seed_the_same():
    whole = examples({0: 40})
    first = patients(few(whole, None, 0, 0.1))
    assert first == patients(few(whole, None, 0, 0.1))
    assert first != patients(few(whole, None, 1, 0.1))


def test_share__larger__holds_the_patients_of_the_smaller():
    whole = examples({0: 40, 1: 20})
    assert patients(few(whole, None, 3, 0.1)) < patients(few(whole, None, 3, 0.5))


def test_share__patient_with_several_answers__is_drawn_once_and_whole():
    mixed = [replace(each, patient="one", truth=Answer(number=n % 2)) for n, each in enumerate(examples({0: 1}))]
    assert len(few(mixed, None, 0, 0.5)) == 3


def test_share__where_there_are_no_answers__of_all_patients_together():
    masks = [replace(each, truth=Outlined(mask=BLANK)) for each in examples({0: 10, 1: 10})]
    assert len(patients(few(masks, None, 0, 0.1))) == 2


def test_gather__a_share__learns_from_it_and_is_validated_with_all(tmp_path):
    data = toy.make(tmp_path)
    pool = gather(toy.spec("segmentation"), data, None, 0, 0.25)
    assert (len(pool.train), len(pool.val)) == (2, toy.COUNTS["val"])
    assert (pool.data[0].pictures, pool.data[0].patients) == (2, 1)


def test_plan__without_share__keeps_its_digest():
    plan = Plan(task="carotid", method="full", architecture="echocare_tiny", encoder="")
    assert plan.digest() == WITHOUT_SHARE
    assert replace(plan, share=0.1).digest() not in (plan.digest(), replace(plan, share=0.2).digest())


def test_order__share__is_told_in_its_command(tmp_path):
    order = Order(task="carotid", data=tmp_path, out=tmp_path, share=0.1)
    assert " --share 0.1 " in order.command
    assert "--share" not in replace(order, share=None).command


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_order__share_that_is_none__is_refused(share, tmp_path):
    with pytest.raises(BadOrder, match="is a tenth"):
        adapt(Order(task="carotid", data=tmp_path, out=tmp_path, share=share), lambda _: None)


def test_adapt__share_and_shots_together__are_refused_in_words(tmp_path):
    command = ["adapt", "--task", "carotid", "--data", str(tmp_path), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, [*command, "--shots", "2", "--share", "0.1"])
    assert result.exit_code == 1
    assert "give one of them" in result.output
