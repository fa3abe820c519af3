"""Boxes round structures: where centres are, and how far each side lies from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pyramid import NormedConvolution, Pyramid, stride_of
from models.packages.settings_detection import DetectionSettings

RARE = -4.6  # logit of 0.01: centres are rare, and a head that starts so does not drown in empty cells
FIRST_SIDE = 1.0  # log of the first guess of a side, in cells
LONGEST_SIDE = 6.0  # log of the longest side, in cells: 403


class DetectionHead(Head):
    """A heat-map of centres for each class, and the four sides of the box at each cell.

    Each class has sides of its own, so that a lesion may lie in the middle of an organ.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    settings
        Of the card.

    References
    ----------
    Zhou et al., "Objects as Points", 2019. Tian et al., "FCOS", ICCV 2019.
    """

    def __init__(self, channels: Sequence[int], settings: DetectionSettings, width: int = 64) -> None:
        super().__init__()
        self.classes = len(settings.classes)
        self.stride = stride_of(settings.level)
        self.most = settings.most
        self.merged = Pyramid(channels, settings.level, width)
        self.centre = nn.Sequential(NormedConvolution(width, width), _last(width, self.classes, RARE))
        self.sides = nn.Sequential(NormedConvolution(width, width), _last(width, 4 * self.classes, FIRST_SIDE))

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Raw answers on the grid of h x w cells.

        Returns
        -------
        Answers
            `centre`: logits (batch, classes, h, w). `sides`: distances from a cell's centre to the left, top, right
            and bottom of the box, (batch, classes, 4, h, w), pixels of the square, positive, float32.
        """
        x = self.merged(maps)
        sides = self.sides(x).float().clamp(max=LONGEST_SIDE).exp() * self.stride
        return {"centre": self.centre(x), "sides": sides.unflatten(1, (self.classes, 4))}

    def spoken(self, answers: Answers) -> Answers:
        """The likeliest boxes, at most one for each peak of a heat-map.

        Returns
        -------
        Answers
            `boxes`: left, top, right, bottom, (batch, k, 4), pixels of the square. `scores`: (batch, k), 0 to 1,
            falling. `classes`: (batch, k), integers.
        """
        centre = answers["centre"].float()
        cells = centre.shape[2] * centre.shape[3]
        peaks = centre.masked_fill(centre < F.max_pool2d(centre, 3, 1, 1), -torch.inf).flatten(1)
        best = peaks.topk(min(self.most, peaks.shape[1]), dim=1)
        sides = answers["sides"].float().flatten(3).transpose(2, 3).flatten(1, 2)  # (batch, classes h w, 4)
        chosen = sides.gather(1, best.indices[..., None].expand(-1, -1, 4))
        at = cell_centres(centre.shape[2], centre.shape[3], self.stride, centre.device)[best.indices % cells]
        boxes = torch.cat([at - chosen[..., :2], at + chosen[..., 2:]], dim=2)
        return {"boxes": boxes, "scores": torch.sigmoid(best.values), "classes": best.indices // cells}


def cell_centres(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Where the cells of a grid lie in the square: (height width, 2), x and y of each cell's centre, row by row."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return (torch.stack([x, y], dim=2).reshape(-1, 2) + 0.5) * stride - 0.5


def _last(width: int, outputs: int, bias: float) -> nn.Conv2d:
    """The layer that answers, with a first answer of `bias` everywhere."""
    layer = nn.Conv2d(width, outputs, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]  # a Conv2d made with a bias has one
    return layer
