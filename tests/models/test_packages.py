"""Packages: whole ones are found, others refused with the reason."""

from __future__ import annotations

import shutil

import pytest
import yaml
from safetensors.torch import load_file, save_file

from models.packages import (
    BUNDLED,
    CardError,
    DamagedWeights,
    NewerSchema,
    UnknownEncoder,
    discover,
    load_package,
    verify,
)

MOST_BYTES = 8_000_000


@pytest.fixture
def copy(tmp_path):
    target = tmp_path / "fetal-head"
    shutil.copytree(BUNDLED / "fetal-head", target)
    return target


def rewrite(folder, **changes):
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card.update(changes)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


@pytest.mark.parametrize("task", ["fetal-head", "breast-lesion"])
def test_bundled_package__verifies_and_is_small(task):
    package = verify(BUNDLED / task)
    assert package.identity.task == task
    assert package.identity.digest.startswith("sha256:")
    assert package.weights.stat().st_size <= MOST_BYTES


def test_bundled_packages__share_one_encoder():
    packages, _ = discover()
    assert len({package.identity.encoder_digest for package in packages}) == 1


def test_bundled_cards__carry_figures_with_intervals_and_silence():
    for package in discover()[0]:
        assert any(figure.low is not None for figure in package.card.figures)
        assert package.card.silence
        assert "research" in package.card.status


def test_weights__one_byte_changed__refused(copy):
    weights = copy / "weights.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[len(raw) // 2] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(DamagedWeights, match="digest"):
        load_package(copy)


def test_weights__missing__refused(copy):
    (copy / "weights.safetensors").unlink()
    with pytest.raises(DamagedWeights):
        load_package(copy)


def test_weights__of_another_encoder__refused(copy):
    tensors = load_file(str(copy / "weights.safetensors"))
    name = "encoder.patch_embed.proj.bias"
    tensors[name] = tensors[name] + 1
    save_file(tensors, str(copy / "weights.safetensors"))
    import hashlib

    found = hashlib.sha256((copy / "weights.safetensors").read_bytes()).hexdigest()
    rewrite(copy, weights={"file": "weights.safetensors", "sha256": found, "precision": "float16"})
    load_package(copy)
    with pytest.raises(DamagedWeights, match="encoder"):
        verify(copy)


def test_card__newer_schema__refused(copy):
    rewrite(copy, schema=2)
    with pytest.raises(NewerSchema, match="update"):
        load_package(copy)


def test_card__unknown_key__named(copy):
    rewrite(copy, colour="red")
    with pytest.raises(CardError, match="colour"):
        load_package(copy)


def test_card__unknown_encoder__refused(copy):
    rewrite(copy, encoder={"name": "resnet", "digest": "sha256:" + "0" * 64})
    with pytest.raises(UnknownEncoder, match="echocare_tiny"):
        load_package(copy)


def test_card__weights_outside_the_folder__refused(copy):
    rewrite(copy, weights={"file": "../other.safetensors", "sha256": "0" * 64, "precision": "float16"})
    with pytest.raises(CardError, match="outside"):
        load_package(copy)


def test_card__any_word_changed__another_digest(copy):
    before = load_package(copy).identity.digest
    rewrite(copy, title="Another title")
    assert load_package(copy).identity.digest != before


def test_discover__damaged_package__refused_and_the_others_stand(copy):
    (copy / "card.yaml").write_text("schema: [")
    packages, refusals = discover([copy.parent])
    assert [package.identity.task for package in packages] == ["breast-lesion", "fetal-head"]
    assert [refusal.code for refusal in refusals] == ["package-card"]
    assert str(copy) in refusals[0].reason


def test_discover__later_package_of_the_same_task__stands(copy):
    rewrite(copy, version="9.9.9")
    packages, _ = discover([copy.parent])
    assert {p.identity.task: p.identity.version for p in packages}["fetal-head"] == "9.9.9"
