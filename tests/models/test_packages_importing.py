"""EchoCare's released file: every tensor accounted for, everything else refused by name, nothing run."""

from __future__ import annotations

import argparse
import os
import pickle

import pytest
import torch

from models.encoder.factory import create_encoder
from models.packages import ImportRefused, load_encoder
from models.packages.importing import import_echocare
from models.packages.weights import encoder_of

NAME = "layers2.0.blocks.0.mlp.linear1.weight"
TABLE = "layers1.0.blocks.0.attn.relative_position_index"


def released(name="echocare_tiny", seed=0):
    """As the release: a state dict, and the mask token of pretraining."""
    torch.manual_seed(seed)
    encoder = create_encoder(name)
    return encoder, {**encoder.state_dict(), "mask_token": torch.zeros(1, encoder.config.embed_dim, 1, 1)}


@pytest.fixture
def state():
    return released()[1]


@pytest.fixture
def take(tmp_path):
    def taken(content, **how):
        file = tmp_path / "echocare_encoder.pth"
        torch.save(content, file, **how)
        return import_echocare(file, tmp_path / "out")

    return taken


@pytest.fixture
def refused(take, tmp_path):
    def said(content, match, **how):
        with pytest.raises(ImportRefused, match=match):
            take(content, **how)
        assert not (tmp_path / "out").exists()

    return said


@pytest.mark.parametrize("name", ["echocare_tiny", "echocare_small"])
def test_import__released_form__package_answers_as_the_original(take, name):
    torch.set_num_threads(1)
    encoder, state = released(name)
    done = take(state)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for wanted, found in zip(encoder.eval()(image), encoder_of(done.encoder)(image), strict=True):
            assert torch.equal(wanted, found)
    assert done.encoder.name == name


@pytest.mark.slow
def test_import__base_architecture__358_tensors_and_the_mask_token(take):
    torch.set_num_threads(1)
    encoder, state = released("echocare_base")
    assert len(state) == 359
    done = take(state)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for wanted, found in zip(encoder.eval()(image), encoder_of(done.encoder)(image), strict=True):
            assert torch.equal(wanted, found)
    assert done.stored + len(done.checked) + len(done.dropped) == 359


def test_import__every_tensor__is_accounted_for(take, state):
    done = take(state)
    assert done.dropped == ("mask_token",)
    assert TABLE in done.checked
    assert done.stored + len(done.checked) + len(done.dropped) == done.tensors == len(state)


def test_import__card__says_where_it_came_from_and_that_licences_are_unclear(take, state):
    encoder = load_encoder(take(state).encoder.path)
    assert "echocare_encoder.pth" in encoder.card.origin
    assert "mask_token" in encoder.card.notes
    assert encoder.use == "unclear"
    assert encoder.card.weights.precision == "float32"


def test_import__the_same_weights_in_other_wrappings__same_digest(take, state):
    plain = take(state).encoder.digest
    bare = {name: value for name, value in state.items() if name != "mask_token"}
    for content in (
        bare,
        {"state_dict": state, "epoch": 3},
        {"model": state},
        {"model": {"state_dict": state}},
        {f"module.{name}": value for name, value in state.items()},
        {f"encoder.{name}": value for name, value in state.items()},
        {f"backbone.{name}": value for name, value in state.items()},
        {"state_dict": {f"module.swinViT.{name}": value for name, value in state.items()}},
        {name if name == "mask_token" else f"module.encoder.{name}": value for name, value in state.items()},
    ):
        assert take(content).encoder.digest == plain


def test_import__what_lies_beside_the_weights__is_told(take, state):
    assert take({"state_dict": state, "epoch": 3, "optimizer": {}}).passed_over == ("epoch", "optimizer")


def test_import__old_form_of_torch_save__is_read(take, state):
    assert take(state, _use_new_zipfile_serialization=False).stored > 100


def test_import__all_halves__stay_halves(take, state):
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    assert take(halves).encoder.card.weights.precision == "float16"


def test_import__twice__is_one_package(take, state):
    assert take(state).encoder.path == take(state).encoder.path


def test_import__tensor_missing__named(refused, state):
    del state[NAME]
    refused(state, f"echocare_tiny; missing: {NAME}")


def test_import__table_of_positions_missing__named(refused, state):
    del state[TABLE]
    refused(state, f"missing: {TABLE}")


def test_import__tensor_left_over__named(refused, state):
    refused({**state, "decoder.weight": torch.zeros(3)}, r"left over: decoder\.weight")


def test_import__tensor_of_another_shape__named(refused, state):
    state[NAME] = torch.zeros(7, 5)
    refused(state, rf"another shape: {NAME} \(7, 5\) instead of \(192, 48\)")


def test_import__number_not_finite__named(refused, state):
    state[NAME] = state[NAME].clone()
    state[NAME][0, 0] = float("inf")
    refused(state, f"not finite, in {NAME}")


def test_import__integers_for_weights__named(refused, state):
    state[NAME] = state[NAME].to(torch.int64)
    refused(state, NAME)


def test_import__pixels_of_windows_in_another_order__refused(refused, state):
    state[TABLE] = state[TABLE].flip(0)
    refused(state, f"another way.*{TABLE}")


def test_import__two_names_for_one_tensor__refused(refused, state):
    refused({**state, f"module.{NAME}": state[NAME]}, "twice")


def test_import__value_that_is_no_tensor__named(refused, state):
    refused({**state, "epoch": 3}, "epoch")


def test_import__network_of_another_kind__says_what_it_has(refused):
    refused({"fc.weight": torch.zeros(2, 2)}, r"fc\.weight")


@pytest.mark.parametrize("content", [[torch.zeros(2)], torch.zeros(2), {1: torch.zeros(2)}, {}])
def test_import__no_state_dict__refused(refused, content):
    refused(content, "no state dict|none at all")


class Trap:
    """A pickle that would run a command."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("new_form", [True, False])
def test_import__pickle_that_would_run_code__refused_and_not_run(refused, state, tmp_path, new_form):
    refused({**state, "x": Trap(tmp_path / "ran")}, r"would run posix\.mkdir", _use_new_zipfile_serialization=new_form)
    assert not (tmp_path / "ran").exists()


def test_import__arguments_of_a_training_beside_the_weights__refused_with_their_kind(refused, state):
    refused({"model": state, "args": argparse.Namespace(rate=1)}, r"would run argparse\.Namespace")


@pytest.fixture
def damaged(tmp_path, state):
    def said(change, match):
        file = tmp_path / "echocare_encoder.pth"
        torch.save(state, file)
        file.write_bytes(change(file.read_bytes()))
        with pytest.raises(ImportRefused, match=match):
            import_echocare(file, tmp_path / "out")

    return said


def test_import__file_cut_short__refused(damaged):
    damaged(lambda raw: raw[: len(raw) // 2], "damaged: get it again")


def test_import__one_byte_changed__refused(damaged):
    middle = 1_000_000
    damaged(lambda raw: raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :], "damaged in its part")


@pytest.mark.parametrize("raw", [b"", b"<!DOCTYPE html>", pickle.dumps({"a": 1}), b"\x80\x02\x8a\x0a" + bytes(50)])
def test_import__other_kind_of_file__refused(damaged, raw):
    damaged(lambda _: raw, "damaged")


def test_import__no_file__refused_with_its_name(tmp_path):
    with pytest.raises(ImportRefused, match=r"none\.pth"):
        import_echocare(tmp_path / "none.pth", tmp_path)
