"""3 x 3 convolutions by Winograd's minimal filtering: tiles of 4 x 4 pixels from 36 products each, not 144.

References
----------
Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(4 x 4, 3 x 3) as batched products.
Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", ACM TOMS
2020: the points decide the error. With those here it is that of the direct sum in float32; with 0, 1, -1, 2, -2 it is
four times as large.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TILE: Final = 4  # pixels along the edge of what one tile gives
SEEN: Final = TILE + 2  # and of what it sees
TOGETHER: Final = 128  # tiles; fewer multiply slowly, more leave the cache before they are used
POINTS: Final = (0.0, 0.75, -0.75, 1.5, -1.5)  # where the polynomials are compared, besides infinity


def transformed(kernel: Tensor) -> Tensor:
    """A kernel (outputs, inputs, 3, 3) for `convolved`: (36, inputs, outputs)."""
    _, spread, _ = _matrices()
    wide = torch.einsum("ai,bj,kcij->abck", spread, spread, kernel.detach().cpu().double())
    return wide.reshape(SEEN * SEEN, kernel.shape[1], kernel.shape[0]).to(kernel).contiguous()


def convolved(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve one image with zeros around it.

    Parameters
    ----------
    image
        (H, W, inputs).
    kernel
        From `transformed`.

    Returns
    -------
    Tensor
        (H, W, outputs).
    """
    height, width, inputs = image.shape
    outputs = kernel.shape[2]
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = F.pad(image, (0, 0, 1, 1 + columns * TILE - width, 1, 1 + rows * TILE - height))
    enter, leave = _products(image.dtype, image.device)
    together = min(rows, max(1, TOGETHER // columns))
    out = image.new_empty(rows * TILE, columns * TILE, outputs)
    room = image.new_empty(2, SEEN * SEEN * together * columns * max(inputs, outputs))
    for row in range(0, rows, together):
        count = min(together, rows - row)
        tiles = count * columns
        seen, turned = (memory[: SEEN * SEEN * tiles * inputs].view(SEEN * SEEN, -1) for memory in room)
        seen.view(SEEN, SEEN, count, columns, inputs).copy_(_tiles(padded[row * TILE :], count, columns))
        torch.mm(enter, seen, out=turned)
        # what was seen is not needed any more: the products take its place, and the answer that of the tiles turned
        products = room[0][: SEEN * SEEN * tiles * outputs].view(SEEN * SEEN, tiles, outputs)
        torch.bmm(turned.view(SEEN * SEEN, tiles, inputs), kernel, out=products)
        answer = room[1][: TILE * TILE * tiles * outputs].view(TILE * TILE, -1)
        torch.mm(leave, products.view(SEEN * SEEN, -1), out=answer)
        place = out[row * TILE : (row + count) * TILE].view(count, TILE, columns, TILE, outputs)
        place.copy_(answer.view(TILE, TILE, count, columns, outputs).permute(2, 0, 3, 1, 4))
    return out[:height, :width]


def _tiles(padded: Tensor, count: int, columns: int) -> Tensor:
    """Overlapping tiles, without copying: (6, 6, count, columns, inputs)."""
    down, right, deep = padded.stride()
    shape = (SEEN, SEEN, count, columns, padded.shape[2])
    return padded.as_strided(shape, (down, right, TILE * down, TILE * right, deep))


@lru_cache(maxsize=8)
def _products(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The transforms of tiles along both edges at once: (36, 36) into, (16, 36) out of."""
    enter, _, leave = _matrices()
    return torch.kron(enter, enter).to(device, dtype), torch.kron(leave, leave).to(device, dtype)


def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Transforms along one edge: of what is seen (6, 6), of the kernel (6, 3), of the products (4, 6); float64."""
    points = np.array(POINTS)
    others = [np.delete(points, i) for i in range(len(points))]
    enter = np.array([*(np.append(np.poly(rest)[::-1], 0.0) for rest in others), np.poly(points)[::-1]])
    finite = [point ** np.arange(3) / np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    spread = np.array([*finite, [0.0, 0.0, 1.0]])
    leave = np.column_stack([np.vander(points, TILE, increasing=True).T, [0.0] * (TILE - 1) + [1.0]])
    return torch.from_numpy(enter), torch.from_numpy(spread), torch.from_numpy(leave)
