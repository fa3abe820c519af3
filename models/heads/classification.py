"""One of several answers about the structure under a mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RING_SHARE = 8  # the ring round the structure is 1/8 of the image wide
SHAPE_FEATURES = 7
POOLED = (1, 2, 3)  # maps pooled under the mask and in the ring


class LesionHead(nn.Module):
    """Logits of an answer from what lies inside a mask, in a ring round it, and in the whole picture.

    Only the mask's own shape and the maps under it go in, so a caliper elsewhere in the picture says little.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps.
    classes
        Number of answers; 1 means a sigmoid.
    """

    def __init__(self, channels: Sequence[int], classes: int = 1, hidden: int = 64) -> None:
        super().__init__()
        width = 2 * sum(channels[i] for i in POOLED) + channels[4] + SHAPE_FEATURES
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(0.4), nn.Linear(hidden, classes)
        )

    def features(self, maps: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Pooled maps and shape.

        Parameters
        ----------
        maps
            The encoder's five maps.
        mask
            (batch, 1, H, W), 0 to 1, at the image's size.

        Returns
        -------
        Tensor
            (batch, features), float32.
        """
        coarse = F.adaptive_avg_pool2d(mask, _edges(maps[POOLED[0]]))
        reach = max(1, coarse.shape[-1] // RING_SHARE // 2)
        ring = (F.max_pool2d(coarse, 2 * reach + 1, 1, reach) - coarse).clamp(min=0)
        pooled = []
        for i in POOLED:
            for weight in (coarse, ring):
                share = F.adaptive_avg_pool2d(weight, _edges(maps[i])) + 1e-4
                pooled.append((maps[i] * share).sum((2, 3)) / share.sum((2, 3)))
        return torch.cat([*pooled, maps[4].mean((2, 3)), shape_features(mask)], dim=1)

    def forward(self, maps: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Logits (batch, classes); the parameters are those of `features`."""
        out: Tensor = self.layers(self.features(maps, mask).to(maps[4].dtype))
        return out


def _edges(x: Tensor) -> tuple[int, int]:
    return int(x.shape[-2]), int(x.shape[-1])


def shape_features(mask: Tensor) -> Tensor:
    """Shape of a soft mask: size, proportions, lie, and how ragged its edge is.

    Parameters
    ----------
    mask
        (batch, 1, H, W), 0 to 1.

    Returns
    -------
    Tensor
        (batch, 7): root of the area share, depth of the centre, height over width of the spread (log), long over
        short axis of the spread (log), tilt of the long axis (cosine of twice the angle), perimeter over that of an
        ellipse of the same spread, share of half-sure pixels.
    """
    m = mask[:, 0].float()
    height, width = m.shape[-2:]
    y = torch.arange(height, device=m.device, dtype=m.dtype)[None, :, None] / height
    x = torch.arange(width, device=m.device, dtype=m.dtype)[None, None, :] / width
    area = m.sum((1, 2)) + 1.0
    cy, cx = (m * y).sum((1, 2)) / area, (m * x).sum((1, 2)) / area
    dy, dx = y - cy[:, None, None], x - cx[:, None, None]
    vy, vx = (m * dy * dy).sum((1, 2)) / area + 1e-5, (m * dx * dx).sum((1, 2)) / area + 1e-5
    vxy = (m * dy * dx).sum((1, 2)) / area
    half_gap = torch.sqrt(((vx - vy) / 2) ** 2 + vxy**2 + 1e-12)
    long, short = (vx + vy) / 2 + half_gap, ((vx + vy) / 2 - half_gap).clamp(min=1e-6)
    edge = (m[:, 1:, :] - m[:, :-1, :]).abs().sum((1, 2)) + (m[:, :, 1:] - m[:, :, :-1]).abs().sum((1, 2))
    smooth = 8 * torch.sqrt((long + short) / 2) * height  # sum of |steps| along both axes round an ellipse
    unsure = (m * (1 - m)).sum((1, 2)) / area
    return torch.stack(
        [
            torch.sqrt(area / (height * width)) * 3,
            cy,
            torch.log(vy / vx) / 2,
            torch.log(long / short) / 2,
            (vx - vy) / (2 * half_gap),
            edge / smooth,
            unsure * 4,
        ],
        dim=1,
    )
