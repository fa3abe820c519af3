"""The prepared form of an encoder: the same maps in every size, part, type and on every device."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.encoder import EncoderConfig, inference
from models.encoder.inference import prepared
from models.encoder.swin import EchoCareEncoder

ROUNDING = 5e-5  # of normalised maps in float32
# What bfloat16 may cost a map, as the root of the mean square against float32; a number has 8 bits there.
COARSE = 0.05
CONFIG = EncoderConfig(name="small", embed_dim=16, depths=(2, 1, 2, 2), heads=(1, 2, 4, 8))
SIZES = [(64, 64), (150, 90), (33, 47), (6, 7), (1, 1), (2, 40), (16, 16)]


@pytest.fixture
def encoder() -> EchoCareEncoder:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    made = EchoCareEncoder(CONFIG).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.1 if parameter.ndim > 1 else 0.3)
    return made


def assert_same(given: list[Tensor], wanted: list[Tensor]) -> None:
    for a, b in zip(given, wanted, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, atol=ROUNDING)


def assert_close(given: list[Tensor], wanted: list[Tensor]) -> None:
    for a, b in zip(given, wanted, strict=True):
        assert a.isfinite().all()
        assert float((a.float() - b).square().mean().sqrt()) < COARSE


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_prepared__any_size__gives_the_encoders_maps(encoder, size, whole):
    x = torch.randn(2, 3, *size)
    with torch.inference_mode():
        assert_same(prepared(encoder, whole=whole)(x), encoder(x))


@pytest.mark.parametrize("many", [1, 1000])
def test_prepared__smallest_parts_and_convolutions_with_and_without_tiles__gives_the_same_maps(
    encoder, monkeypatch, many
):
    monkeypatch.setattr(inference, "PART_BYTES", 1)
    monkeypatch.setattr(inference, "MANY", many)
    x = torch.randn(2, 3, 90, 70)
    with torch.inference_mode():
        assert_same(prepared(encoder)(x), encoder(x))


def test_prepared__encoder_changes_afterwards__keeps_its_maps(encoder):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        form, before = prepared(encoder), encoder(x)
        for parameter in encoder.parameters():
            parameter.mul_(1.5)
        assert_same(form(x), before)
        assert_same(prepared(encoder)(x), encoder(x))


def test_prepared__asked_for_another_type__refuses_and_stays_as_it_was(encoder):
    x = torch.randn(1, 3, 64, 64)
    form = prepared(encoder)
    with pytest.raises(TypeError, match="float32"):
        form.bfloat16()
    assert_same(form.to("cpu", torch.float32)(x), encoder(x))


def test_prepared__float64__agrees_to_float64(encoder):
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        for a, b in zip(prepared(encoder.double())(x), encoder(x), strict=True):
            assert torch.allclose(a, b, atol=1e-11)


def test_prepared__weights_that_train__gives_maps_without_gradients(encoder):
    assert not any(level.requires_grad for level in prepared(encoder)(torch.randn(1, 3, 32, 32)))


def test_prepared__first_pass_in_inference_mode__heads_can_learn_from_a_later_one(encoder):
    x, form = torch.randn(1, 3, 40, 40), prepared(encoder)
    with torch.inference_mode():
        form(x)
    head = nn.Conv2d(CONFIG.channels[-1], 1, 1)
    head(form(x)[-1]).mean().backward()
    assert head.weight.grad is not None


@pytest.mark.parametrize("whole", [False, True])
def test_prepared__bfloat16__stays_close_to_float32(encoder, whole):
    x = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        wanted = encoder(x)
        given = prepared(encoder.bfloat16(), whole=whole)(x)
    assert {level.dtype for level in given} == {torch.bfloat16}
    assert_close(given, wanted)


def test_prepared__under_autocast__keeps_the_type_of_its_weights(encoder):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = encoder(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_same(prepared(encoder)(x), wanted)


def test_encoder__under_autocast__stays_close_to_float32(encoder):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = encoder(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_close(encoder(x), wanted)


def test_encoder__trained_under_autocast__every_parameter_gets_a_gradient(encoder):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sum(level.float().abs().mean() for level in encoder(torch.randn(1, 3, 64, 64)))
    loss.backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("size", [(256, 256), (150, 90)])
def test_prepared__on_cuda__gives_the_maps_of_the_cpu(encoder, size):
    x = torch.randn(4, 3, *size)
    with torch.inference_mode():
        wanted = encoder(x)
        encoder.cuda()
        assert_close([level.cpu() for level in prepared(encoder)(x.cuda())], wanted)
        assert_close([level.cpu() for level in prepared(encoder.bfloat16())(x.cuda())], wanted)
