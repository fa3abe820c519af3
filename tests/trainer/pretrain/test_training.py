"""A pretraining of a few steps: resumable, the same in pieces and over processes, and it learns."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.engine.device import choose
from models.normalise import normalised
from tests.trainer.pretrain.made import SMALL, on_cpu, pictures
from trainer.errors import BadRecipe, WrongCheckpoint
from trainer.pretrain.errors import Diverged
from trainer.pretrain.losses import patch_errors
from trainer.pretrain.masking import hide_all
from trainer.pretrain.network import PretrainNetwork
from trainer.pretrain.pictures import Picture
from trainer.pretrain.recipe import read_pretrain_recipe
from trainer.pretrain.training import Pretrainer

TWO = """
import sys
from pathlib import Path
import torch
from tests.trainer.pretrain.test_training import STILL, trainer
from trainer import parallel
parallel.join()
made = trainer(Path(sys.argv[1]) / "two", STILL)
for step in made.run():
    pass
made.save()
torch.save(made.network.state_dict(), Path(sys.argv[1]) / f"rank{parallel.rank()}.pt")
parallel.leave()
"""
IN_PARTS = """
import sys
from itertools import islice
from pathlib import Path
import torch
from tests.trainer.pretrain.test_training import STILL, trainer
from trainer import parallel
parallel.join()
folder = Path(sys.argv[1])
begun = trainer(folder / "begun in parts", STILL, parted=True)
parameters = list(begun.network.parameters())
held = sum(p.to_local().numel() for p in parameters) / sum(p.numel() for p in parameters)
(folder / f"held{parallel.rank()}").write_text(str(held))
for made in (begun, trainer(folder / "ended in parts", STILL, parted=True)):
    for step in islice(made.run(), 1):
        made.save()
    averaged = made.averaged_whole()
if parallel.rank() == 0:
    torch.save(averaged.state_dict(), folder / "averaged.pt")
parallel.leave()
"""
STILL = dataclasses.replace(SMALL, steps=2, view_weight=0.0)  # without dropout, whose chance is each process's own


def trainer(folder: Path, recipe=SMALL, **more) -> Pretrainer:
    return Pretrainer(recipe, pictures(), folder, on_cpu(), **more)


def half_black(picture: Picture) -> Picture:
    square = picture.square().copy()
    square[:, :128] = 0
    return dataclasses.replace(picture, source=square)


def difficulty_and_errors(network: PretrainNetwork, shown: list[Picture]) -> np.ndarray:
    """What is said of each patch of a whole picture, and how far off it is drawn when hidden: (2, patches)."""
    image = normalised(torch.from_numpy(np.stack([cv2.resize(picture.square(), (64, 64)) for picture in shown])))
    said = network.difficulty(network.maps(image))
    errors, times = torch.zeros_like(said), torch.zeros_like(said)
    for turn in range(6):
        hidden = hide_all(said, 0.5, 0.0, [[turn, number] for number in range(len(shown))])
        errors += hidden * patch_errors(network.drawn(network.maps(image, hidden)), image[:, 0], 4)
        times += hidden
    asked = times > 0
    return torch.stack([said[asked], (errors / times)[asked]]).numpy()


def weights(made: Pretrainer) -> torch.Tensor:
    return torch.cat([value.reshape(-1) for value in made.network.parameters()]).detach().clone()


def far(first: torch.Tensor, second: torch.Tensor, start: torch.Tensor) -> float:
    """How far two trainings are apart, as a share of the way they went."""
    return float((first - second).norm() / (first - start).norm())


def test_pretraining__stopped_and_taken_up_again__same_weights_as_in_one_go(tmp_path):
    whole = trainer(tmp_path / "one")
    lines = [step.values for step in whole.run()]
    assert len(lines) == SMALL.steps
    broken = trainer(tmp_path / "two")
    for step in broken.run():
        broken.save()
        if step.number == 2:
            break
    again = trainer(tmp_path / "two")
    assert again.done == 2
    assert [step.values for step in again.run()] == lines[2:]
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, again.averaged.state_dict()[name]), name


def test_pretraining__with_workers__same_weights(tmp_path):
    recipe = dataclasses.replace(SMALL, steps=2)
    here, elsewhere = trainer(tmp_path / "one", recipe), trainer(tmp_path / "two", recipe, workers=1)
    assert len(list(here.run())) == len(list(elsewhere.run())) == 2
    assert torch.equal(weights(here), weights(elsewhere))


@pytest.mark.parametrize(("change", "word"), [({"seed": 9}, "recipe"), ({"steps": 5}, "recipe")], ids=["seed", "steps"])
def test_pretraining__of_another_recipe__refuses_the_checkpoint(tmp_path, change, word):
    made = trainer(tmp_path)
    made.save()
    with pytest.raises(WrongCheckpoint, match=word):
        trainer(tmp_path, dataclasses.replace(SMALL, **change))


def test_pretraining__of_other_pictures__refuses_the_checkpoint(tmp_path):
    trainer(tmp_path).save()
    with pytest.raises(WrongCheckpoint, match="pictures"):
        Pretrainer(SMALL, pictures(7), tmp_path, on_cpu())


def test_pretraining__batch_in_pieces__learns_what_the_whole_batch_teaches(tmp_path):
    whole, pieces = trainer(tmp_path / "one", STILL), trainer(tmp_path / "two", dataclasses.replace(STILL, pieces=2))
    start = weights(whole)
    for first, second in zip(whole.run(), pieces.run(), strict=True):
        for name in ("reconstruction", "contrast"):
            assert first.values[name] == pytest.approx(second.values[name], rel=1e-3), name
    assert far(weights(whole), weights(pieces), start) < 0.02


def in_two_processes(script: str, folder: Path) -> None:
    """Under torchrun with gloo."""
    path = folder / "learn.py"
    path.write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_processes__learn_what_one_would(tmp_path):
    """The keys and the gradients are those of the whole batch."""
    in_two_processes(TWO, tmp_path)
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name, value in ranks[0].items():
        assert torch.equal(value, ranks[1][name]), name
    alone = trainer(tmp_path / "one", STILL)
    start = weights(alone)
    assert len(list(alone.run())) == 2
    assert far(weights(alone), weights(trainer(tmp_path / "two", STILL)), start) < 0.02


def test_two_processes_in_parts__learn_what_one_would_and_go_on_from_and_to_one(tmp_path):
    """Half of the way in parts, half of it whole, in both orders; weights, average and moments all are carried over."""
    alone = trainer(tmp_path / "one", STILL)
    start = weights(alone)
    first = trainer(tmp_path / "ended in parts", STILL)
    for made in (alone, first):
        next(iter(made.run()))
    first.save()
    list(alone.run())
    in_two_processes(IN_PARTS, tmp_path)
    assert all(0.4 < float((tmp_path / f"held{rank}").read_text()) < 0.6 for rank in (0, 1))
    begun, ended = (trainer(tmp_path / name, STILL) for name in ("begun in parts", "ended in parts"))
    assert (begun.done, ended.done) == (1, 2)
    judged = torch.load(tmp_path / "averaged.pt", weights_only=True)
    assert all(torch.equal(value, judged[name]) for name, value in ended.averaged.state_dict().items())
    list(begun.run())
    for made in (begun, ended):
        assert far(weights(alone), weights(made), start) < 0.02
        assert far(*(torch.cat([p.reshape(-1) for p in m.averaged.parameters()]) for m in (alone, made)), start) < 0.02


def test_pretraining__on_pictures_half_black__draws_better_names_organs_and_knows_what_it_draws_badly(tmp_path):
    shown = [half_black(picture) for picture in pictures()]
    recipe = dataclasses.replace(SMALL, steps=30, strength=0.2, rate=2e-3, view_weight=1.0)
    made = Pretrainer(recipe, shown, tmp_path, on_cpu())
    steps = [step.values for step in made.run()]
    for name in ("reconstruction", "view"):
        first, last = (sum(step[name] for step in part) for part in (steps[:3], steps[-3:]))
        assert last < 0.8 * first, name
    with torch.no_grad():
        said, true = difficulty_and_errors(made.averaged, shown)
    assert np.corrcoef(said, true)[0, 1] > 0.3


def test_pretraining__in_bfloat16__learns(tmp_path):
    made = Pretrainer(SMALL, pictures(), tmp_path, choose("cpu", "bfloat16", 1))
    before = weights(made)
    values = next(iter(made.run())).values
    assert all(value == value for value in values.values())
    assert not torch.equal(before, weights(made))
    assert all(p.dtype == torch.float32 for p in made.network.parameters())


def test_pretraining__gradient_no_number__says_so_and_leaves_the_checkpoint(tmp_path):
    made = trainer(tmp_path)
    made.save()
    with torch.no_grad():
        made.network.mask_token.fill_(float("nan"))
    with pytest.raises(Diverged, match="step 0"):
        next(iter(made.run()))
    assert trainer(tmp_path).done == 0


def test_pretraining__from_an_encoder__starts_with_its_weights(tmp_path):
    start = {name: value * 0.5 for name, value in trainer(tmp_path / "one").network.encoder.state_dict().items()}
    start = {name: value.long() if "index" in name else value for name, value in start.items()}
    own = trainer(tmp_path / "two").network.encoder.state_dict()
    start |= {name: value for name, value in own.items() if "index" in name}
    made = trainer(tmp_path / "two", start=start)
    assert torch.equal(made.averaged.encoder.state_dict()["patch_embed.proj.weight"], start["patch_embed.proj.weight"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour: red", "steps"),
        ("{patches: 1}", "patches"),
        ("sizes: [[1.0, 100]]", "multiple of 96"),
        ("sizes: [[0.5, 128]]", "1.0"),
        ("hidden: [0.5, 1.5]", "hidden"),
        ("hidden: 3", "another kind"),
        ("encoder: resnet", "echocare_tiny"),
        ("{batch: 6, pieces: 4}", "divide"),
        ("- 3", "keys"),
    ],
)
def test_recipe__that_cannot_run__refused_with_the_reason(tmp_path, text, words):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(BadRecipe, match=words):
        read_pretrain_recipe(path)
