"""Which patches of a picture are hidden: at first any, later more and more those that are hard to draw again.

Much of an ultrasound picture is black or even: patches that teach nothing once that is known. A small head learns to
rank the patches of a picture by the error of the reconstruction; asked through the averaged network, which sees the
whole picture, it says what to hide. It needs no memory of losses, which could not follow a varied picture's patches.

References
----------
Wang et al., "Hard Patches Mining for Masked Image Modeling", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def hide(difficulty: NDArray[np.float32], share: float, hardest: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The patches of one picture to hide.

    Parameters
    ----------
    difficulty
        (n, n), any scale, higher is harder.
    share
        Of the patches that are hidden, 0 to 1; at least one is, and one is not.
    hardest
        Of the hidden patches, those that are the most difficult; the others are drawn by chance.

    Returns
    -------
    NDArray
        (n, n), True where hidden.
    """
    patches = difficulty.size
    count = min(patches - 1, max(1, round(share * patches)))
    order = np.argsort(-difficulty, axis=None, kind="stable")
    hard = round(hardest * count)
    chosen = np.concatenate([order[:hard], rng.permutation(order[hard:])[: count - hard]])
    out = np.zeros(patches, bool)
    out[chosen] = True
    return out.reshape(difficulty.shape)


def hide_all(difficulty: Tensor, share: float, hardest: float, seeds: Sequence[Sequence[int]]) -> Tensor:
    """`hide` for pictures (batch, n, n), each by a seed of its own; bool, on the same device."""
    found = [
        hide(levels, share, hardest, np.random.default_rng(seed))
        for levels, seed in zip(difficulty.float().cpu().numpy(), seeds, strict=True)
    ]
    return torch.from_numpy(np.stack(found)).to(difficulty.device)
