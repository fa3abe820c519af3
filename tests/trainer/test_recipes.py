"""Every recipe can be read and is told by the README, and the made sets have examples of every task."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.trainer import made_sets
from trainer.joint.recipe import read_joint_recipe
from trainer.pretrain.recipe import check, read_pretrain_recipe
from trainer.tasks import SPECS

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "trainer" / "recipes").glob("*.yaml"))


def fenced(text: str) -> list[str]:
    """Commands of the trainer in fenced blocks, without the `torchrun` before them."""
    lines = [line for block in re.findall(r"^```\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    bare = [re.sub(r"^torchrun .*--no-python ", "", line) for line in lines]
    return [line for line in bare if line.startswith("echocare-train ")]


TRAIN = fenced(re.split(r"^## ", (ROOT / "README.md").read_text().partition("\n## Train\n")[2], flags=re.M)[0])


def test_recipes__each_of_them__is_named_by_a_command_of_the_readme():
    named = {Path(word).stem for line in TRAIN for word in line.split() if word.startswith("trainer/recipes/")}
    assert named == {path.stem for path in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe__as_it_lies_in_the_repository__is_read_with_its_seed(recipe):
    raw = yaml.safe_load(recipe.read_text())
    if recipe.stem.startswith("pretrain"):
        read = read_pretrain_recipe(recipe)
        check(read, processes=8 if recipe.stem == "pretrain-base" else 1)
        assert (read.seed, read.steps) == (raw["seed"], raw["steps"])
        return
    found = read_joint_recipe(recipe)
    assert (found.seed, found.epochs) == (raw["seed"], raw["epochs"])


def test_made_sets__every_task__finds_examples_in_them(tmp_path):
    data = made_sets.make(tmp_path)
    assert all(spec.examples(data, "val") for spec in SPECS.values())
