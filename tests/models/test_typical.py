"""The gate that knows only what a task learned from: what lies far off is not answered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.encoder.config import CONFIGS
from models.findings import NoFinding
from models.heads.task import build_heads
from models.heads.typical import Typical, features
from models.readers import reader_of
from tests.models.lessons import nothing_to_conclude, told
from trainer.tasks import SPECS

CHANNELS = (2, 3, 4, 5, 6)
WIDTH = 2 * sum(CHANNELS)


def learned() -> tuple[Typical, torch.Tensor]:
    """What is typical of pictures that differ much in three ways and little in the others, and their features."""
    torch.manual_seed(0)
    pictures = (20 + torch.randn(200, 3) @ torch.randn(3, WIDTH) + 0.1 * torch.randn(200, WIDTH)).abs()
    typical = Typical(CHANNELS)
    typical.learn(pictures)
    return typical, pictures


def distances(typical: Typical, pictures: torch.Tensor) -> torch.Tensor:
    """Of pictures whose features are given: maps of two pixels have any mean and deviation."""
    maps, at = [], 0
    for channels in CHANNELS:
        mean, deviation = pictures[:, at : at + channels], pictures[:, at + channels : at + 2 * channels]
        maps.append(torch.stack([mean - deviation, mean + deviation], dim=2)[..., None])
        at += 2 * channels
    torch.testing.assert_close(features(maps), pictures)
    return typical(maps)


def test_features__of_two_pixels__their_mean_and_deviation():
    level = torch.tensor([[[[1.0], [5.0]]]])
    assert features([level]).tolist() == [[3.0, 2.0]]


def test_distance__of_what_was_learned__is_one_in_the_mean():
    typical, pictures = learned()
    assert float(distances(typical, pictures).mean()) == pytest.approx(1.0, rel=0.05)


def test_distance__off_every_way_in_which_pictures_differ__is_far():
    typical, pictures = learned()
    off = pictures.mean(0, keepdim=True)
    off[:, ::2] *= 1.5
    assert float(distances(typical, off)) > 10
    assert float(distances(typical, pictures.mean(0, keepdim=True))) < 1


def test_learn__few_pictures__is_refused():
    with pytest.raises(ValueError, match="7 pictures do not tell what is typical: 8 at least"):
        Typical(CHANNELS).learn(torch.randn(7, WIDTH))


def test_distance__in_half_precision__hardly_moves():
    typical, pictures = learned()
    exact = distances(typical, pictures)
    coarse = distances(typical.to(torch.float16), pictures)
    torch.testing.assert_close(coarse, exact, rtol=0.05, atol=0.05)
    assert coarse.dtype == torch.float32


def test_heads__with_a_limit_on_the_card__have_the_distance_among_their_answers():
    settings = SPECS["thyroid-nodule"].settings
    channels = CONFIGS["echocare_tiny"].channels
    maps = [torch.randn(2, c, max(1, 32 // 2**n), max(1, 32 // 2**n)) for n, c in enumerate(channels)]
    for limit in (None, 3.0):
        heads = build_heads(channels, settings.model_copy(update={"unlike": limit})).eval()
        with torch.inference_mode():
            answers = heads.spoken(heads(torch.randn(2, 3, 64, 64), maps))
        assert ("unlike" in answers) is (limit is not None)


SAID = {
    "thyroid-nodule": {"mask": np.pad(np.full((24, 24), 0.95, np.float32), 36), "kind": np.float32(0.4)},
    "lung": {"answer": np.array([3.0, 0.0, 0.0], np.float32)},
    "liver-mass": {"mask": np.stack([np.pad(np.full((24, 24), 0.9, np.float32), 36)] * 2)},
}


@pytest.mark.parametrize("task", SAID)
@pytest.mark.parametrize(("distance", "silent"), [(2.9, False), (3.2, True)])
def test_reader__of_a_picture_too_far_off__says_nothing_and_why(task, distance, silent):
    settings = SPECS[task].settings.model_copy(update={"unlike": 3.0})
    reader = reader_of(settings, nothing_to_conclude)
    raw = SAID[task] | {"scope": np.float32(0.99), "unlike": np.float32(distance)}
    reader.see(told(raw))
    again = [raw] * len(reader.again())
    reasons = [f.reason for f in reader.findings(again) if isinstance(f, NoFinding)]
    assert any("learned from (distance 3.2 > 3.0)" in reason for reason in reasons) is silent
