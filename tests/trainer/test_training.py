"""A training of a few steps on phantoms."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from models.packages import verify
from trainer.data.synthetic import phantoms
from trainer.errors import BadRecipe, WrongCheckpoint
from trainer.export import export, read_checkpoint
from trainer.recipe import Recipe, read_recipe
from trainer.training import Pool, Trainer

TINY_RECIPE = Recipe(
    epochs=3,
    batch=4,
    sizes=((1.0, 64),),
    outsiders=0,
    nonsense=2,
    headless=0,
    phantoms=6,
    phantom_pool=8,
)


@pytest.fixture(scope="module")
def pool():
    torch.set_num_threads(1)
    shown = tuple(phantoms(8))
    return Pool(wanted=shown[:4], outsiders=(), phantoms=shown[4:])


def test_training__stopped_and_taken_up_again__same_weights_as_in_one_go(pool, tmp_path):
    losses = [progress.losses for progress in Trainer(TINY_RECIPE, pool, tmp_path / "one").run()]
    assert len(losses) == 3
    for _ in Trainer(TINY_RECIPE, pool, tmp_path / "two").run():
        break
    resumed = Trainer(TINY_RECIPE, pool, tmp_path / "two")
    assert resumed.next_epoch == 1
    assert len(list(resumed.run())) == 2
    first, second = (read_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("one", "two"))
    for name, value in first.weights.items():
        assert torch.equal(value, second.weights[name]), name


def test_training__of_another_recipe__refuses_the_checkpoint(pool, tmp_path):
    for _ in Trainer(TINY_RECIPE, pool, tmp_path).run():
        break
    with pytest.raises(WrongCheckpoint, match="another recipe"):
        Trainer(dataclasses.replace(TINY_RECIPE, seed=5), pool, tmp_path)


def test_export__after_an_epoch__package_verifies(pool, tmp_path):
    for _ in Trainer(TINY_RECIPE, pool, tmp_path).run():
        break
    for task in TINY_RECIPE.tasks:
        export(tmp_path / "checkpoint.pt", task, tmp_path / task)
        assert verify(tmp_path / task).identity.task == task


def test_training__on_one_batch__mask_loss_falls(tmp_path):
    torch.set_num_threads(1)
    heads = tuple(sample for sample in phantoms(8) if sample.task == "fetal-head")
    recipe = dataclasses.replace(
        TINY_RECIPE, tasks=("fetal-head",), epochs=14, nonsense=0, phantoms=0, sizes=((1.0, 64),), rate=3e-3
    )
    trainer = Trainer(recipe, Pool(wanted=heads, outsiders=(), phantoms=()), tmp_path)
    losses = [progress.losses["fetal-head mask"] for progress in trainer.run()]
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0]


def test_recipe__unknown_key__refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("colour: red\n")
    with pytest.raises(BadRecipe, match="epochs"):
        read_recipe(path, ("fetal-head",))
