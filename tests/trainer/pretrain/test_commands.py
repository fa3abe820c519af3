"""`echocare-train pretrain` as a user has it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import cv2
import pytest
import torch
import yaml
from typer.testing import CliRunner

import trainer.commands_pretrain as command
from models.packages.encoders import load_encoder
from models.packages.weights import check_encoder
from tests.trainer.pretrain.made import SMALL, write_set
from trainer.cli import app
from trainer.data.errors import BrokenShard
from trainer.pretrain.reading import read_pictures
from trainer.pretrain.recipe import PretrainRecipe, read_pretrain_recipe

RECIPES = Path(command.__file__).parent / "recipes"


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def data(tmp_path):
    write_set(tmp_path / "data" / "free")
    write_set(tmp_path / "data" / "bought", licence="CC BY-NC 4.0", organ="heart")
    return tmp_path / "data"


def recipe_file(folder: Path, **change) -> Path:
    path = folder / "recipe.yaml"
    plain = json.loads(json.dumps(dataclasses.asdict(dataclasses.replace(SMALL, **change))))
    path.write_text(yaml.safe_dump(plain))
    return path


def pretrain(data: Path, out: Path, *more: str, **change):
    recipe = recipe_file(data.parent, **{"steps": 2, **change})
    options = ["--data", str(data), "--out", str(out), "--recipe", str(recipe), "--workers", "0", "--every", "1"]
    return CliRunner().invoke(app, ["pretrain", *options, *more])


def package(out: Path):
    (folder,) = (out / "encoders").iterdir()
    return load_encoder(folder)


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_pretrain__two_sets__package_with_a_card_metrics_and_pictures(data, tmp_path):
    out = tmp_path / "out"
    done = pretrain(data, out, phantoms=2)
    assert done.exit_code == 0, done.output
    encoder = package(out)
    check_encoder(encoder)
    assert encoder.use == "non-commercial"
    assert {(d.name, d.pictures, d.patients) for d in encoder.card.data} == {
        ("free", 4, 4),
        ("bought", 4, 4),
        ("phantoms of this repository", 2, 2),
    }
    assert "2 of 2 steps" in encoder.card.notes
    told = lines(out)
    assert [line["step"] for line in told if line["kind"] == "train"] == [1, 2]
    assert all(0 <= line["organ"] <= 1 for line in told if line["kind"] == "validation")
    assert cv2.imread(str(out / "pictures" / "step-0000002.png")).shape == (4 * 64, 4 * 64, 3)  # four of validation
    assert list((out / "tensorboard").iterdir())


def test_pretrain__permissive_only__learns_from_no_other_set(data, tmp_path):
    done = pretrain(data, tmp_path / "out", "--use", "permissive")
    assert done.exit_code == 0, done.output
    assert package(tmp_path / "out").use == "permissive"
    assert [d.name for d in package(tmp_path / "out").card.data] == ["free"]
    assert "--use permissive" in package(tmp_path / "out").card.origin


def test_pretrain__permissive_from_an_encoder_that_is_not__refused(data, tmp_path):
    assert pretrain(data, tmp_path / "one").exit_code == 0
    done = pretrain(data, tmp_path / "two", "--use", "permissive", "--initial", str(package(tmp_path / "one").path))
    assert done.exit_code == 1
    assert "non-commercial" in done.output


def test_pretrain__from_an_encoder__card_tells_it_and_its_data(data, tmp_path):
    assert pretrain(data / "free", tmp_path / "one").exit_code == 0
    first = package(tmp_path / "one")
    done = pretrain(data / "bought", tmp_path / "two", "--initial", str(first.path))
    assert done.exit_code == 0, done.output
    second = package(tmp_path / "two")
    assert first.digest in second.card.notes
    assert [d.name for d in second.card.data] == ["bought", "free"]


def test_pretrain__interrupted__the_same_command_goes_on_to_the_same_package(data, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SAVE_EVERY_S", 0.0)
    assert pretrain(data, tmp_path / "one", steps=3).exit_code == 0
    write = command.Diary.write

    def stop(self, step, values, kind="train"):
        write(self, step, values, kind)
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.Diary, "write", stop)
    broken = pretrain(data, tmp_path / "two", steps=3)
    assert broken.exit_code == 130
    assert "goes on" in broken.output
    monkeypatch.setattr(command.Diary, "write", write)
    assert pretrain(data, tmp_path / "two", steps=3).exit_code == 0
    assert package(tmp_path / "two").digest == package(tmp_path / "one").digest
    assert [line["step"] for line in lines(tmp_path / "two") if line["kind"] == "train"] == [1, 2, 3]


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM])
def test_pretrain__stop_wished_in_the_first_step__kept_and_gone_on_from(data, tmp_path, monkeypatch, wish):
    """Long before a checkpoint is due."""
    write = command.Diary.write

    def stop(self, step, values, kind="train"):
        write(self, step, values, kind)
        if kind == "train":
            os.kill(os.getpid(), wish)

    monkeypatch.setattr(command.Diary, "write", stop)
    broken = pretrain(data, tmp_path / "out", steps=2)
    assert broken.exit_code == 130
    assert torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["done"] == 1
    monkeypatch.setattr(command.Diary, "write", write)
    assert pretrain(data, tmp_path / "out", steps=2).exit_code == 0
    assert [line["step"] for line in lines(tmp_path / "out") if line["kind"] == "train"] == [1, 2]


@pytest.fixture
def interruptible():
    """Also where the tests are a shell's background job, in which SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_pretrain__stop_wished_twice__ends_at_once(data, tmp_path, monkeypatch, interruptible):
    def stop(self, step, values, kind="train"):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(command.Diary, "write", stop)
    assert pretrain(data, tmp_path / "out").exit_code == 130
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def test_pretrain__each_step__says_what_share_of_it_went_on_waiting_for_data(data, tmp_path):
    done = pretrain(data, tmp_path / "out")
    assert "waited for data" in done.output
    assert all(0 < line["waited"] < 1 for line in lines(tmp_path / "out") if line["kind"] == "train")


def test_pretrain__folder_without_data__says_so(tmp_path):
    (tmp_path / "data").mkdir()
    done = pretrain(tmp_path / "data", tmp_path / "out")
    assert done.exit_code == 1
    assert "index.csv" in done.output


def test_pretrain__set_left_out_by_the_recipe__not_read(data):
    assert {p.data_set for p in read_pictures([data], "train", unseen=["bought"])} == {"free"}


def test_read_pictures__index_without_split__the_rule_by_patient_gives_one(tmp_path):
    folder = write_set(tmp_path / "own", splits="t" * 12)
    index = folder / "index.csv"
    index.write_text(index.read_text().replace(",train,", ",,"))
    train, val = (read_pictures([folder], split) for split in ("train", "val"))
    assert train
    assert not {p.name for p in train} & {p.name for p in val}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("pretrain*.yaml")), ids=lambda path: path.stem)
def test_recipes__of_the_repository__can_run(path):
    assert isinstance(read_pretrain_recipe(path), PretrainRecipe)


def test_read_pictures__shards__the_same_pictures_as_from_the_folder_they_were_made_of(tmp_path):
    folder = write_set(tmp_path / "own")
    done = CliRunner().invoke(app, ["shards", str(folder), "--out", str(tmp_path / "shards"), "--alike-bits", "-1"])
    assert done.exit_code == 0, done.output
    plain, packed = (read_pictures([path], "train") for path in (folder, tmp_path / "shards"))
    assert {p.shown.organ for p in packed} == {"liver"}
    assert {p.licence for p in packed} == {"CC BY 4.0"}
    assert sorted(p.square().tobytes() for p in packed) == sorted(p.square().tobytes() for p in plain)


def test_read_pictures__shard_cut_off__says_which(tmp_path):
    shard = tmp_path / "train-000000.tar"
    shard.write_bytes(b"no tar" * 200)
    with pytest.raises(BrokenShard, match="train-000000"):
        read_pictures([tmp_path], "train")
