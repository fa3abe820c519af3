"""The encoders through timm's door."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.optim import create_optimizer_v2

import models.encoder.registry  # noqa: F401 - registers the names
from models.encoder import CONFIGS, TINY
from models.encoder.factory import create_encoder


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_create_model__by_name__has_the_encoders_state_dict(name):
    with torch.device("meta"):
        model, encoder = timm.create_model(name), create_encoder(name)
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in encoder.state_dict().items()}
    assert model.num_classes == 0
    assert model.num_features == CONFIGS[name].channels[-1]
    assert model.pretrained_cfg["input_size"] == (3, 256, 256)
    assert model.pretrained_cfg["architecture"] == name


def test_features_only__five_maps__are_the_encoders_with_their_channels_and_strides():
    model = timm.create_model("echocare_tiny", features_only=True).eval()
    encoder = create_encoder("echocare_tiny").eval()
    encoder.load_state_dict(model.model.state_dict())
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        given, wanted = model(x), encoder(x)
    assert len(given) == 5
    assert all(torch.equal(a, b) for a, b in zip(given, wanted, strict=True))
    assert tuple(model.feature_info.channels()) == TINY.channels
    assert tuple(model.feature_info.reduction()) == TINY.strides
    named = dict(model.model.named_modules())
    assert all(module in named for module in model.feature_info.module_name())


def test_features_only__some_maps__drops_the_stages_beyond():
    model = timm.create_model("echocare_tiny", features_only=True, out_indices=(0, 2))
    assert [level.shape[1] for level in model(torch.randn(1, 3, 64, 64))] == [TINY.channels[0], TINY.channels[2]]
    assert model.feature_info.channels() == [TINY.channels[0], TINY.channels[2]]
    assert not any("layers3" in name or "layers4" in name for name, _ in model.named_parameters())


def test_forward_intermediates__stop_early__last_map_is_the_last_chosen():
    model = timm.create_model("echocare_tiny").eval()
    x = torch.randn(1, 3, 64, 64)
    last, chosen = model.forward_intermediates(x, indices=[1], stop_early=True)
    assert torch.equal(last, chosen[0])
    last, chosen = model.forward_intermediates(x, indices=[1])
    assert last.shape[1] == TINY.channels[-1]
    with pytest.raises(ValueError, match="NCHW"):
        model.forward_intermediates(x, output_fmt="NLC")


def test_classifier__asked_for_and_reset__has_as_many_classes():
    model = timm.create_model("echocare_tiny", num_classes=7, drop_rate=0.1).eval()
    x = torch.randn(2, 3, 64, 64)
    assert model(x).shape == (2, 7)
    assert model.get_classifier().out_features == 7
    features = model.forward_features(x)
    assert features.shape == (2, 384, 2, 2)
    assert torch.allclose(model.forward_head(features, pre_logits=True), features.mean((2, 3)), atol=1e-6)
    model.reset_classifier(3)
    assert model(x).shape == (2, 3)
    model.reset_classifier(0)
    assert model(x).shape == (2, 384)
    assert len(model.state_dict()) == len(create_encoder("echocare_tiny").state_dict())
    model.reset_classifier(0, "")
    assert model(x).shape == (2, 384, 2, 2)


def test_create_model__file_of_an_encoder_with_another_window__loads_it(tmp_path):
    encoder = create_encoder("echocare_tiny")
    file = tmp_path / "encoder.pth"
    torch.save({**encoder.state_dict(), "mask_token": torch.zeros(1)}, file)
    named = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
    same = timm.create_model("echocare_tiny", **named)
    assert torch.equal(same.patch_embed.proj.weight, encoder.patch_embed.proj.weight)
    wide = timm.create_model("echocare_tiny", window_size=12, **named)
    assert wide(torch.randn(1, 3, 64, 64)).shape == (1, 384)
    gray = timm.create_model("echocare_tiny", in_chans=1, num_classes=2, **named)
    assert gray(torch.randn(1, 1, 64, 64)).shape == (1, 2)


def test_create_model__pretrained_without_a_file__says_that_there_are_no_weights():
    with pytest.raises(RuntimeError, match="echocare_tiny"):
        timm.create_model("echocare_tiny", pretrained=True)


def test_optimizer__layer_decay__rates_rise_with_depth():
    model = timm.create_model("echocare_tiny", num_classes=2)
    groups = create_optimizer_v2(model, opt="adamw", lr=1.0, weight_decay=0.1, layer_decay=0.5).param_groups
    rate = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    order = (
        "patch_embed.proj.weight",
        "layers1c.0.layer.conv1.conv.weight",
        "layers1.0.blocks.0.attn.qkv.weight",
        "layers1.0.downsample.reduction.weight",
        "layers3.0.blocks.0.mlp.linear1.weight",
        "layers3.0.blocks.3.mlp.linear1.weight",
        "head.fc.weight",
    )
    rates = [rate[id(parameters[name])] for name in order]
    assert rates == sorted(rates)
    assert len(set(rates)) == len(rates)
    assert decay[id(parameters["layers1.0.blocks.0.attn.relative_position_bias_table"])] == 0
