"""A training of a few steps on phantoms."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.packages import verify
from models.packages.weights import DERIVED
from trainer.cards import VERSION
from trainer.data.synthetic import phantoms
from trainer.errors import BadRecipe, WrongCheckpoint
from trainer.export import export
from trainer.lineage import read_checkpoint, read_start
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


TWO = """
from pathlib import Path
import torch
from tests.trainer.test_training import TINY_RECIPE
import dataclasses
from trainer import parallel
from trainer.data.synthetic import phantoms
from trainer.training import Pool, Trainer
parallel.join()
recipe = dataclasses.replace(TINY_RECIPE, epochs=1, still_norms=True)
shown = tuple(phantoms(8))
trainer = Trainer(recipe, Pool(wanted=shown[:4], outsiders=(), phantoms=shown[4:]), Path({folder!r}) / "two")
for done in trainer.run():
    pass
torch.save(trainer.network.state_dict(), Path({folder!r}) / f"rank{{parallel.rank()}}.pt")
parallel.leave()
"""


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


def test_start__from_the_packages_of_a_training__has_its_weights_and_tells_them_as_a_stage(pool, tmp_path):
    for _ in Trainer(TINY_RECIPE, pool, tmp_path / "one", name="learn").run():
        break
    for task in TINY_RECIPE.tasks:
        export(tmp_path / "one" / "checkpoint.pt", task, tmp_path / "packages" / task)
    start = read_start([tmp_path / "packages" / task for task in TINY_RECIPE.tasks])
    again = Trainer(TINY_RECIPE, pool, tmp_path / "two", start, name="more")
    before = read_checkpoint(tmp_path / "one" / "checkpoint.pt").weights
    for name, value in again.network.state_dict().items():
        if name.endswith(DERIVED):
            continue
        assert torch.allclose(value.float(), before[name].float(), atol=2e-3), name
    next(iter(again.run()))
    stages = read_checkpoint(tmp_path / "two" / "checkpoint.pt").stages
    assert [stage.name for stage in stages] == [
        f"package fetal-head {VERSION}",
        f"package breast-lesion {VERSION}",
        "more",
    ]
    assert stages[-1].seconds > 0


def test_start__of_another_encoder__refused(pool, tmp_path):
    for _ in Trainer(TINY_RECIPE, pool, tmp_path).run():
        break
    start = read_checkpoint(tmp_path / "checkpoint.pt")
    broken = {name: value for name, value in start.weights.items() if "patch_embed" not in name}
    with pytest.raises(WrongCheckpoint, match="patch_embed"):
        Trainer(TINY_RECIPE, pool, tmp_path / "two", dataclasses.replace(start, weights=broken))


def test_two_processes__learn_what_one_would(tmp_path):
    """Short, on two gloo processes: the averaged gradients are those of the whole batch."""
    script = tmp_path / "learn.py"
    script.write_text(TWO.format(folder=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    together = read_checkpoint(tmp_path / "two" / "checkpoint.pt")
    assert together.stages[-1].epochs == 1
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name, value in ranks[0].items():
        assert torch.equal(value, ranks[1][name]), name


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
