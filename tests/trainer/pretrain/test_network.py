"""What hidden patches and the losses on them do."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from models.normalise import normalised
from tests.trainer.pretrain.made import SMALL, on_cpu, square
from trainer.catalogue import view_settings
from trainer.pretrain.losses import contrast_loss, patch_errors, ranking_loss, reconstruction_loss
from trainer.pretrain.network import PretrainNetwork


@pytest.fixture(scope="module")
def network():
    on_cpu()
    torch.manual_seed(0)
    return PretrainNetwork(SMALL, view_settings()).eval()


@pytest.fixture(scope="module")
def image():
    return normalised(torch.from_numpy(square(1)[None, 64:128, 64:128].copy()))


def places(*hidden: tuple[int, int]) -> torch.Tensor:
    out = torch.zeros(1, 4, 4, dtype=torch.bool)
    for row, column in hidden:
        out[0, row, column] = True
    return out


def test_maps__nothing_hidden__those_of_the_encoder(network, image):
    for ours, plain in zip(network.maps(image), network.encoder(image), strict=True):
        assert torch.allclose(ours, plain, atol=1e-5)


def test_maps__other_pixels_under_a_hidden_patch__same_answer(network, image):
    other = image.clone()
    other[:, :, 16:32, 32:48] = 1.7
    hidden = places((1, 2))
    assert not torch.allclose(network.maps(image)[4], network.maps(other)[4], atol=1e-3)
    for first, second in zip(network.maps(image, hidden), network.maps(other, hidden), strict=True):
        assert torch.equal(first, second)


def test_maps__with_checkpointing__same_gradients(image):
    torch.manual_seed(0)
    plain = PretrainNetwork(SMALL, view_settings())
    thrifty = PretrainNetwork(dataclasses.replace(SMALL, checkpointing=True), view_settings())
    thrifty.load_state_dict(plain.state_dict())
    for network in (plain, thrifty):
        network.drawn(network.maps(image, places((0, 0)))).square().mean().backward()
    for (name, first), second in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        assert (first.grad is None) == (second.grad is None), name
        if first.grad is not None:
            assert torch.allclose(first.grad, second.grad, atol=1e-6), name


def test_drawn_and_difficulty__of_a_picture__its_size_and_its_patches(network, image):
    maps = network.maps(image)
    assert network.drawn(maps).shape == (1, 64, 64)
    assert network.difficulty(maps).shape == (1, 4, 4)
    assert network.projected(maps, places((3, 3))).norm(dim=1).item() == pytest.approx(1, abs=1e-5)


def test_difficulty__learned__leaves_the_encoder_alone(image):
    network = PretrainNetwork(SMALL, view_settings())
    network.difficulty(network.maps(image)).sum().backward()
    assert network.difficult.weight.grad is not None
    assert all(parameter.grad is None for parameter in network.encoder.parameters())


def test_reconstruction_loss__wrong_where_nothing_is_hidden__costs_nothing():
    drawn, gray = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
    drawn[0, :16, :16] = 1.0
    errors = patch_errors(drawn, gray, 4)
    assert reconstruction_loss(errors, places((2, 2))).item() == 0
    assert reconstruction_loss(errors, places((0, 0), (2, 2))).item() == pytest.approx(0.5)


def test_ranking_loss__harder_said_of_larger_errors__smaller_than_the_reverse():
    errors = torch.arange(16.0).reshape(1, 4, 4)
    hidden = places((0, 0), (1, 1), (3, 3))
    assert ranking_loss(errors, errors, hidden) < 0.1 < ranking_loss(-errors, errors, hidden)
    assert ranking_loss(errors, errors, places((0, 0))).item() == 0


def test_contrast_loss__a_key_of_the_same_patient__is_not_shunned():
    queries = torch.eye(3)
    keys = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])  # the second picture looks like the first
    own, none = torch.arange(3), torch.zeros(3, 3, dtype=torch.bool)
    kin = none.clone()
    kin[0, 1] = kin[1, 0] = True
    first = contrast_loss(queries[:1], keys, own[:1], kin[:1], 0.1)
    assert first < 0.01 < contrast_loss(queries[:1], keys, own[:1], none[:1], 0.1)
