"""MONAI's SwinTransformer as the oracle: its state dict, its maps."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets.swin_unetr import SwinTransformer
from torch import Tensor, nn

from models.encoder import BASE, CONFIGS, TINY, EncoderConfig
from models.encoder.factory import create_encoder
from models.encoder.inference import prepared
from models.encoder.swin import EchoCareEncoder
from models.packages import discover
from models.packages.weights import encoder_of

TOLERANCE = 1e-4  # of normalised maps, in float32: two orders of rounding
REDUCED = EncoderConfig(name="reduced", embed_dim=32, depths=(2, 2, 4, 2), heads=(1, 2, 4, 8))
SIZES = [(256, 256), (192, 160), (250, 130), (97, 210), (24, 20), (17, 300)]


def peer(config: EncoderConfig) -> nn.Module:
    """MONAI's network of these shapes, fresh."""
    return SwinTransformer(
        in_chans=config.in_channels,
        embed_dim=config.embed_dim,
        window_size=(config.window, config.window),
        patch_size=(config.patch, config.patch),
        depths=config.depths,
        num_heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        qkv_bias=True,
        spatial_dims=2,
        use_v2=True,
    ).eval()


def farthest(given: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference between any two numbers of maps of the same shapes."""
    assert [level.shape for level in given] == [level.shape for level in wanted]
    return max(float((a - b).abs().max()) for a, b in zip(given, wanted, strict=True))


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, EchoCareEncoder]:
    """A small network of MONAI's with large numbers everywhere, biases too, and ours with the same."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    theirs = peer(REDUCED)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.08 if parameter.ndim > 1 else 0.3)
    ours = EchoCareEncoder(REDUCED).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_encoder__same_state_dict_and_image__gives_monais_maps(pair, size, batch):
    theirs, ours = pair
    x = torch.randn(batch, 3, *size)
    with torch.inference_mode():
        wanted = theirs(x)
        assert farthest(ours(x), wanted) < TOLERANCE
        assert farthest(prepared(ours)(x), wanted) < TOLERANCE


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_state_dict__each_architecture__has_monais_names_and_shapes(name):
    theirs = peer(CONFIGS[name]).state_dict()
    with torch.device("meta"):
        ours = create_encoder(name).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


def test_bundled_weights__in_monais_network__give_the_same_maps():
    torch.set_num_threads(1)
    packages, _ = discover()
    ours = encoder_of(packages[0].encoder)
    theirs = peer(TINY)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        wanted = theirs(x)
        assert farthest(ours(x), wanted) < TOLERANCE
        assert farthest(prepared(ours)(x), wanted) < TOLERANCE


def test_gradients__same_loss__are_monais(pair):
    theirs, ours = pair
    x = torch.randn(2, 3, 64, 96)
    found = []
    for network in (theirs, ours):
        network.zero_grad()
        sum(level.square().mul(level.detach().sign()).mean() for level in network(x)).backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    for name, wanted in found[0].items():
        assert torch.allclose(found[1][name], wanted, atol=1e-5, rtol=1e-3), name


@pytest.mark.slow
def test_base_encoder__one_frame__gives_monais_maps():
    torch.manual_seed(7)
    theirs, ours = peer(BASE), create_encoder("echocare_base").eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        wanted = theirs(x)
        assert farthest(ours(x), wanted) < TOLERANCE
        assert farthest(prepared(ours)(x), wanted) < TOLERANCE
