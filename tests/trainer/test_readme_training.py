"""The commands of the README's section Train, one after another, with recipes cut to a few steps, on made sets."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from tests.trainer import made_sets
from tests.trainer.test_recipes import RECIPES, ROOT, TRAIN
from trainer.cli import app

EDGE = 64  # px
# what makes a recipe short, by how its name begins; the base encoder is for GPUs, so its recipe runs on the tiny one;
# bfloat16 is slow on processors that lack it
SHORT = {
    "pretrain": {
        "steps": 2,
        "batch": 4,
        "sizes": [[1.0, EDGE]],
        "phantoms": 2,
        "patches": 2,
        "encoder": "echocare_tiny",
        "pieces": 1,
    },
    "joint": {
        "bfloat16": False,
        "epochs": 1,
        "batch": 4,
        "sizes": [[1.0, EDGE]],
        "phantoms": 4,
        "most": {},
        "repeat": {},
    },
}
PACKED = {"permissive": "carotid", "all": "fetal-landmarks"}  # one task of each training is enough to see that it goes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    made_sets.make(folder / "data")
    (folder / "recipes").mkdir()
    for recipe in RECIPES:
        short = SHORT[recipe.stem.partition("-")[0]]
        keys = yaml.safe_load(recipe.read_text()) | short
        (folder / "recipes" / recipe.name).write_text(yaml.safe_dump(keys))
    return folder


def words_of(line: str, place: Path) -> list[str]:
    """The arguments of a command of the README, with its placeholders filled in and its work cut short."""
    encoder = next(iter((place / "out" / "packages").glob("non-commercial/encoders/*")), place)
    filled = {"DIR": str(place / "data"), "ENCODER": str(encoder)}
    words = []
    for word in shlex.split(line)[1:]:
        if word.startswith("trainer/recipes/"):
            words.append(str(place / "recipes" / Path(word).name))
        elif word.startswith("OUT/"):
            words.append(str(place / "out" / word.removeprefix("OUT/")))
        else:
            words.append(filled.get(word, word))
    if words[0] == "joint-package":
        words += ["--task", next(task for name, task in PACKED.items() if f"/{name}/" in words[1])]
    if words[0] == "adapt":
        words[words.index("--epochs") + 1] = "1"
    return words


def test_commands__in_the_order_of_the_readme__all_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    before = torch.get_num_threads()
    try:
        for line in TRAIN:
            done = CliRunner().invoke(app, words_of(line, place), catch_exceptions=False)
            assert done.exit_code == 0, f"{line}\n{done.output[-2000:]}"
    finally:
        torch.set_num_threads(before)
    learned = {path.parent.name for path in place.glob("out/*/checkpoint.pt")}
    assert learned >= {"permissive", "all", "permissive-on", "all-on"}
    assert (place / "out" / "heads" / "packages" / "ejection-fraction" / "card.yaml").is_file()
