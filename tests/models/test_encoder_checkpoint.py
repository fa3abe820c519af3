"""State dicts of other windows, fitted to an encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.encoder import TINY
from models.encoder.checkpoint import fitted
from models.encoder.errors import UnfitTable
from models.encoder.swin import EchoCareEncoder

TABLE = "layers2.0.blocks.0.attn.relative_position_bias_table"
INDEX = "layers2.0.blocks.0.attn.relative_position_index"


@pytest.fixture
def state():
    return EchoCareEncoder(TINY).state_dict()


def test_fitted__same_window__changes_nothing_but_drops_the_mask_token(state):
    given = fitted({**state, "mask_token": torch.zeros(1)}, EchoCareEncoder(TINY))
    assert given.keys() == state.keys()
    assert all(torch.equal(given[name], state[name]) for name in state)


@pytest.mark.parametrize("window", [5, 12])
def test_fitted__other_window__loads_and_keeps_what_distances_mean(state, window):
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 15), torch.linspace(-1, 1, 15), indexing="ij")
    slope = (rows + 2 * columns).flatten()[:, None]
    state[TABLE] = slope.expand(-1, 3).clone()
    encoder = EchoCareEncoder(replace(TINY, window=window))
    encoder.load_state_dict(fitted(state, encoder))
    edge = 2 * window - 1
    table = encoder.state_dict()[TABLE].view(edge, edge, 3)
    assert table[window - 1, window - 1].abs().max() < 1e-6
    assert torch.allclose(table[0, 0], torch.tensor(-3.0), atol=1e-5)
    assert torch.allclose(table[-1, 0], torch.tensor(-1.0), atol=1e-5)
    assert torch.allclose(table, -table.flip(0, 1), atol=1e-5)
    assert encoder.state_dict()[INDEX].shape == (window**2, window**2)
    assert encoder(torch.randn(1, 3, 64, 64))[-1].shape == (1, 384, 2, 2)


@pytest.mark.parametrize("shape", [(200, 3), (256, 3), (529, 4)])
def test_fitted__table_of_no_square_window_or_other_heads__is_refused_by_name(state, shape):
    state[TABLE] = torch.zeros(shape)
    with pytest.raises(UnfitTable, match=TABLE):
        fitted(state, EchoCareEncoder(TINY))


def test_fitted__names_that_the_encoder_lacks__are_left_for_loading_to_tell(state):
    assert "head.fc.weight" in fitted({**state, "head.fc.weight": torch.zeros(2, 384)}, EchoCareEncoder(TINY))
