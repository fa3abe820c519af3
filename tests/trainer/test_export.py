"""From a checkpoint to one encoder package and a package of each task."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from models.packages import verify
from models.packages.weights import encoder_of, heads_of
from trainer.errors import WrongCheckpoint
from trainer.export import export
from trainer.recipe import Recipe
from trainer.training import SharedNetwork

RECIPE = Recipe(epochs=1)


@pytest.fixture
def state():
    torch.manual_seed(0)
    weights = SharedNetwork(RECIPE).state_dict()
    stage = {"name": "learn", "digest": "0" * 64, "epochs": 1, "seconds": 60.0, "notes": ""}
    return {"recipe": asdict(RECIPE), "averaged": weights, "stages": [stage]}


@pytest.fixture
def exported(state, tmp_path):
    def whole(**changes):
        torch.save({**state, **changes}, tmp_path / "checkpoint.pt")
        for task in RECIPE.tasks:
            export(tmp_path / "checkpoint.pt", task, tmp_path / "packages" / task)
        return {task: verify(tmp_path / "packages" / task) for task in RECIPE.tasks}

    return whole


def test_export__two_tasks__one_encoder_beside_them(exported, tmp_path):
    packages = exported()
    (folder,) = (tmp_path / "packages" / "encoders").iterdir()
    assert {package.encoder.path for package in packages.values()} == {folder}


def test_export__packages__hold_the_weights_of_the_checkpoint(exported, state):
    packages = exported()
    found = encoder_of(packages["fetal-head"].encoder).state_dict()
    for task, package in packages.items():
        heads = {f"heads.{task}.{name}": value for name, value in heads_of(package).state_dict().items()}
        for name, value in (heads | {f"encoder.{name}": value for name, value in found.items()}).items():
            assert torch.allclose(value.float(), state["averaged"][name].float(), atol=1e-3), name


def test_export__encoder__tells_data_and_story_of_its_training(exported):
    card = exported()["fetal-head"].encoder.card
    assert {"HC18", "BUS-BRA"} <= {data.name.split(" ")[0] for data in card.data}
    assert "Stage learn: 1 epochs" in card.notes


def test_export__checkpoint_of_other_heads__refused_with_their_names(exported, state):
    weights = {name.replace(".head.segment.", ".segment."): value for name, value in state["averaged"].items()}
    with pytest.raises(WrongCheckpoint, match=r"head\.segment\.out\.bias"):
        exported(averaged=weights)
