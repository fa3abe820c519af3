"""The encoder's five maps and its names."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from models.encoder import CONFIGS
from models.encoder.factory import create_encoder


def test_base_encoder__state_dict__has_the_published_shape():
    encoder = create_encoder("echocare_base")
    state = encoder.state_dict()
    assert len(state) == 358
    assert round(sum(p.numel() for p in encoder.parameters()) / 1e6, 1) == 120.2
    for name in ("patch_embed.proj.weight", "layers3.0.blocks.17.attn.relative_position_bias_table"):
        assert name in state
    assert state["layers1c.0.layer.conv2.conv.weight"].shape == (128, 128, 3, 3)
    assert state["layers4.0.downsample.reduction.weight"].shape == (2048, 4096)


@pytest.mark.parametrize("edge", [(64, 64), (96, 160), (250, 130), (33, 47)])
def test_tiny_encoder__any_size__five_maps_normalised_over_channels(edge):
    torch.set_num_threads(1)
    encoder = create_encoder("echocare_tiny").eval()
    with torch.inference_mode():
        maps = encoder(torch.randn(2, 3, *edge))
    assert [m.shape[1] for m in maps] == list(CONFIGS["echocare_tiny"].channels)
    for level in maps:
        assert torch.allclose(level.mean(1), torch.zeros_like(level[:, 0]), atol=1e-4)
    halves = [(maps[i].shape[2] + 1) // 2 for i in range(4)]
    assert halves == [maps[i + 1].shape[2] for i in range(4)]


def test_patch_merging__order__left_column_before_right():
    merging = create_encoder("echocare_tiny").get_submodule("layers1.0.downsample")
    seen = []
    merging.norm.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    x = torch.arange(4.0).reshape(1, 2, 2, 1).expand(1, 2, 2, 24).contiguous()
    merging(x)
    assert seen[0][0, 0, 0, ::24].tolist() == [0.0, 2.0, 1.0, 3.0]


def test_shifted_windows__pixels_across_the_seam__do_not_see_each_other():
    torch.set_num_threads(1)
    block = create_encoder("echocare_tiny").get_submodule("layers3.0.blocks.1").eval()
    x = torch.randn(1, 16, 16, 96)
    with torch.inference_mode():
        before = block(x)
        x[0, 0, 0] += 5
        after = block(x)
    assert not torch.allclose(before[0, 0, 0], after[0, 0, 0])
    assert torch.allclose(before[0, 15, 15], after[0, 15, 15], atol=1e-5)


def test_create_encoder__unknown_name__lists_those_there_are():
    with pytest.raises(KeyError, match="echocare_tiny"):
        create_encoder("resnet50")


def test_import__shapes_alone__loads_neither_torch_nor_timm():
    code = "import sys, models.encoder; print(*sorted({'torch', 'timm', 'monai'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


@pytest.mark.parametrize("edge", [(1, 1), (7, 6), (16, 16)])
def test_tiny_encoder__fewer_pixels_than_the_coarsest_map_needs__still_answers(edge):
    maps = create_encoder("echocare_tiny").eval()(torch.randn(1, 3, *edge))
    assert maps[-1].shape[2:] == (1, 1)
    assert all(level.isfinite().all() for level in maps)
