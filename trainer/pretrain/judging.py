"""How the averaged network does on pictures that it does not learn from, and a look at what it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engine.device import Device
from models.normalise import MEAN, SPREAD, normalised
from trainer.pretrain.losses import patch_errors, reconstruction_loss
from trainer.pretrain.masking import hide_all
from trainer.pretrain.network import PretrainNetwork
from trainer.pretrain.pictures import Picture
from trainer.pretrain.views import numbers_of

AT_ONCE = 16
HIDDEN = 0.5  # of the patches, by chance: the same at each look, so that figures compare
SHOWN = 8  # pictures on a sheet
SEED = 77_003


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What was seen."""

    values: dict[str, float]  # error of reconstruction (normalised gray levels), share of right regions and organs
    sheet: NDArray[np.uint8]  # rows of whole, hidden, drawn, difficulty; gray


@torch.no_grad()
def look(network: PretrainNetwork, pictures: Sequence[Picture], size: int, device: Device) -> Look:
    """Judge on some pictures, at one size (px), unvaried."""
    errors, right, rows = [], [], []
    for at in range(0, len(pictures), AT_ONCE):
        some = pictures[at : at + AT_ONCE]
        squares = np.stack([cv2.resize(p.square(), (size, size), interpolation=cv2.INTER_AREA) for p in some])
        image = normalised(torch.from_numpy(squares).to(device.torch_device))
        with torch.autocast(device.torch_device.type, device.dtype, enabled=device.dtype != torch.float32):
            whole = network.maps(image)
            difficulty, answers = network.difficulty(whole), network.viewed(image, whole)
            hidden = hide_all(difficulty, HIDDEN, 0.0, [[SEED, at + i] for i in range(len(some))])
            drawn = network.drawn(network.maps(image, hidden))
        errors.append(len(some) * float(reconstruction_loss(patch_errors(drawn, image[:, 0], network.patches), hidden)))
        right += _right(answers["region"], answers["organ"], network.view.organs, some)
        if at < SHOWN:
            rows += _rows(image[:, 0], drawn, hidden, difficulty)
    known = np.array(right)
    values = {"reconstruction": sum(errors) / len(pictures)}
    for name, column in (("region", 0), ("organ", 1)):
        asked = known[:, column] >= 0
        if asked.any():
            values[name] = float(known[asked, column].mean())
    return Look(values=values, sheet=np.concatenate(rows[:SHOWN]))


def _right(regions: Tensor, organs: Tensor, inside: Sequence[int], some: Sequence[Picture]) -> list[tuple[int, int]]:
    """For each picture whether region and organ are right: 1, 0, or -1 where there is no truth."""
    each = torch.arange(len(inside), device=regions.device).repeat_interleave(
        torch.tensor(inside, device=regions.device)
    )
    said = zip(regions.argmax(1).tolist(), (regions[:, each] + organs).argmax(1).tolist(), strict=True)
    truth = [numbers_of(picture.shown) for picture in some]
    return [
        (int(r == region) if region >= 0 else -1, int(o == organ) if organ >= 0 else -1)
        for (r, o), (region, organ) in zip(said, truth, strict=True)
    ]


def _rows(gray: Tensor, drawn: Tensor, hidden: Tensor, difficulty: Tensor) -> list[NDArray[np.uint8]]:
    edge = gray.shape[-1] // hidden.shape[-1]
    places = hidden.repeat_interleave(edge, 1).repeat_interleave(edge, 2)
    low, high = difficulty.amin((1, 2), keepdim=True), difficulty.amax((1, 2), keepdim=True)
    hard = ((difficulty - low) / (high - low).clamp(min=1e-6)).repeat_interleave(edge, 1).repeat_interleave(edge, 2)
    parts = [_gray(gray), _gray(gray.masked_fill(places, 0.0)), _gray(torch.where(places, drawn, gray)), 255 * hard]
    sheet = torch.cat(parts, dim=2).clamp(0, 255).to(torch.uint8).cpu().numpy()
    return list(sheet)


def _gray(image: Tensor) -> Tensor:
    return (image * SPREAD + MEAN) * 255
