"""3 x 3 convolutions by tiles against the direct sum."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.encoder.winograd import convolved, transformed


@pytest.mark.parametrize("size", [(16, 16), (4, 4), (1, 1), (7, 130), (66, 3)])
@pytest.mark.parametrize("channels", [(3, 5), (8, 2)])
def test_convolved__any_size_and_channels__is_the_direct_sum(size, channels):
    image = torch.randn(*size, channels[0], dtype=torch.float64)
    kernel = torch.randn(channels[1], channels[0], 3, 3, dtype=torch.float64)
    wanted = F.conv2d(image.permute(2, 0, 1)[None], kernel, padding=1)[0].permute(1, 2, 0)
    assert torch.allclose(convolved(image, transformed(kernel)), wanted, atol=1e-10)


def test_convolved__float32__errs_no_more_than_a_direct_sum_may():
    torch.manual_seed(1)
    channels = 256
    image = torch.randn(32, 32, channels)
    kernel = torch.randn(channels, channels, 3, 3) / (9 * channels) ** 0.5
    wanted = F.conv2d(image.double().permute(2, 0, 1)[None], kernel.double(), padding=1)[0].permute(1, 2, 0)
    error = (convolved(image, transformed(kernel)) - wanted).square().mean().sqrt()
    assert error < 3e-6  # the direct sum: 0.4e-6 to 1.2e-6, by the order in which a library adds
