"""Several toy tasks on one encoder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.packages import verify
from models.packages.weights import DERIVED
from tests.trainer.adapting import toy
from trainer.cards import VERSION
from trainer.errors import BadRecipe, WrongCheckpoint
from trainer.joint import packing
from trainer.joint.batches import drawn, order
from trainer.joint.packing import packages, read_learned
from trainer.joint.pictures import gather, scopes
from trainer.joint.recipe import JointRecipe, read_joint_recipe
from trainer.joint.training import CHECKPOINT, JointTraining, start_of
from trainer.tasks import ejection_fraction, thyroid_nodule
from trainer.tasks.twins import twins

OTHER = "usgra_seg"
RECIPE = JointRecipe(
    tasks=("one", "answers", "two"), epochs=2, batch=4, foreign=1, sizes=((1.0, 64),), phantoms=0, ema=0.5
)
SPECS = {
    "one": dataclasses.replace(toy.spec("segmentation"), name="one"),
    "answers": dataclasses.replace(toy.spec("classification"), name="answers"),
    "two": dataclasses.replace(toy.spec("outline"), name="two", data=(OTHER,)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return toy.make(toy.make(tmp_path_factory.mktemp("data")), OTHER)


@pytest.fixture(scope="module")
def pictures(data):
    return gather(list(SPECS.values()), data, RECIPE)


def trained(pictures, folder, **changes):
    return JointTraining(dataclasses.replace(RECIPE, **changes), list(SPECS.values()), pictures, folder)


def test_gather__two_tasks_on_one_set__each_picture_is_there_once_with_both_truths(pictures):
    assert len(pictures) == 16
    assert {(picture.of, tuple(sorted(picture.truths))) for picture in pictures} == {
        (toy.SET, ("answers", "one")),
        (OTHER, ("two",)),
    }


def test_gather__task_of_pairs_of_pictures__refused_by_name(data):
    with pytest.raises(BadRecipe, match="'ejection-fraction' learns from several pictures at once"):
        gather([ejection_fraction.SPEC], data, RECIPE)


def test_gather__permissive_recipe_and_a_set_that_is_not__refused_by_name(data):
    recipe = dataclasses.replace(RECIPE, tasks=("thyroid-nodule",), permissive=True)
    with pytest.raises(BadRecipe, match=r"thyroid-nodule.*DDTI"):
        gather([thyroid_nodule.SPEC], data, recipe)


def test_scopes__a_set_of_another_task__is_out_of_scope_and_kin_is_not_asked(pictures):
    asked = scopes([SPECS["one"], dataclasses.replace(SPECS["two"], kin=(toy.SET,))])
    mine, other = pictures[0], pictures[-1]
    assert (asked["one"].of(mine, "one"), asked["one"].of(other, "one")) == (1.0, 0.0)
    assert np.isnan(asked["two"].of(mine, "two"))


def test_order__each_batch_is_of_one_set_and_a_set_is_shown_as_often_as_asked(pictures):
    recipe = dataclasses.replace(RECIPE, repeat={OTHER: 2}, most={toy.SET: 4})
    batches = order(pictures, recipe, 0)
    assert all(len({pictures[i].of for i in batch}) == 1 for batch in batches)
    shown = [pictures[i].of for batch in batches for i in batch]
    assert (shown.count(toy.SET), shown.count(OTHER)) == (4, 16)
    assert order(pictures, recipe, 0) == batches != order(pictures, recipe, 1)


def test_drawn__foreign_pictures_come_last_and_are_of_other_sets(pictures):
    batch = drawn(pictures, [0, 1, 2], 64, 4, np.random.default_rng(0))
    assert batch.images.shape == (7, 3, 64, 64)
    assert batch.own == 3
    assert all(picture.of != toy.SET for picture in batch.pictures[3:])


def test_training__stopped_and_taken_up_again__same_weights_as_in_one_go(pictures, tmp_path):
    whole = trained(pictures, tmp_path / "one")
    assert len(list(whole.run())) == 2
    first = trained(pictures, tmp_path / "two")
    next(first.run())
    again = trained(pictures, tmp_path / "two")
    assert len(list(again.run())) == 1
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, again.averaged.state_dict()[name]), name


def test_start__of_a_joint_checkpoint__its_averaged_weights_and_its_story(pictures, tmp_path):
    first = trained(pictures, tmp_path / "one")
    next(first.run())
    start = start_of([tmp_path / "one" / CHECKPOINT])
    second = JointTraining(dataclasses.replace(RECIPE, seed=3), list(SPECS.values()), pictures, tmp_path / "two", start)
    for name, value in first.averaged.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    assert [(stage.name, stage.epochs) for stage in second.before] == [("one", 1)]


def test_start__of_no_checkpoint__refused(tmp_path):
    (tmp_path / "torn.pt").write_bytes(b"torn")
    with pytest.raises(WrongCheckpoint, match=r"torn\.pt"):
        start_of([tmp_path / "torn.pt"])


def test_training__checkpoint_of_another_recipe__refused(pictures, tmp_path):
    next(trained(pictures, tmp_path).run())
    with pytest.raises(WrongCheckpoint, match="another recipe"):
        trained(pictures, tmp_path, seed=9)


def test_packages__of_a_training__whole_and_on_one_encoder(pictures, data, tmp_path, monkeypatch):
    losses = [done.losses for done in trained(pictures, tmp_path / "state", epochs=12).run()]  # until it outlines
    assert set(losses[0]) == set(SPECS)
    assert losses[-1]["one"] < losses[0]["one"]
    monkeypatch.setattr(packing, "spec_of", SPECS.__getitem__)
    learned = read_learned(tmp_path / "state" / CHECKPOINT, data, "echocare-train joint")
    cards = list(packages(learned, data, tmp_path / "packages"))
    assert [card.task for card in cards] == list(SPECS)
    assert len({card.encoder.digest for card in cards}) == 1
    for card in cards:
        assert verify(tmp_path / "packages" / card.task).card.figures
        roles = {each.name: each.role for each in card.training.data}
        assert sum(role == "in scope" for role in roles.values()) == 1
    start = start_of([tmp_path / "packages" / task for task in ("one", "two")])
    assert [(stage.name, stage.epochs) for stage in start.stages] == [
        (f"package {task} {VERSION}", 0) for task in ("one", "two")
    ]
    for name, value in learned.network.state_dict().items():
        if not name.endswith(DERIVED) and not name.startswith("heads.answers."):
            assert torch.allclose(value.float(), start.weights[name].float(), atol=2e-3), name


def test_recipe__unknown_key__named(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("tasks: [carotid]\nepoch: 3\n", encoding="utf-8")
    with pytest.raises(BadRecipe, match="epochs"):
        read_joint_recipe(path)


def test_twins__a_training_picture_that_lies_in_test_too__is_not_learned_from(tmp_path):
    folder = toy.make(tmp_path) / toy.SET
    index = folder / "index.csv"
    doubled = next(line for line in index.read_text().splitlines() if line.startswith("test0,"))
    index.write_text(index.read_text() + doubled.replace("test0,", "copy,", 1).replace(",test,", ",train,") + "\n")
    assert twins(folder, "train") >= {"copy"}
    assert twins(folder, "test") == frozenset()


def test_training__in_bfloat16__goes_nearly_the_same_way(pictures, tmp_path):
    (plain,) = trained(pictures, tmp_path / "plain", epochs=1).run()
    (half,) = trained(pictures, tmp_path / "half", epochs=1, bfloat16=True).run()
    assert set(half.losses) == set(plain.losses)
    for task, loss in plain.losses.items():
        assert half.losses[task] == pytest.approx(loss, rel=0.1), task
