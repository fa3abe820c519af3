"""What the pictures that a task learned from have in common, for the gate that knows no other pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.frames import FrameInput, square_of
from models.heads.task import TaskHeads
from models.heads.typical import DIRECTIONS, OF_A_DIRECTION, Typical, features
from models.normalise import normalised
from models.packages.card import Card
from models.packages.package import TaskPackage
from models.packages.weights import heads_of
from trainer.tasks.spec import Example

OPEN = 1e9  # a distance that nothing has: until validation chooses one
MOST = 400  # pictures that are asked; a mean and 16 directions need no more
BATCH = 8


def compare(
    heads: TaskHeads, card: Card, maps: Callable[[Tensor], Sequence[Tensor]], examples: Sequence[Example]
) -> Card:
    """Teach the heads what is typical of the examples they learned from; the card with the gate on it, open.

    Heads and card stay as they are where the task has no scope, or too few pictures were learned from.

    Parameters
    ----------
    maps
        The encoder as the task uses it: normalised images (batch, 3, S, S) to five maps.
    """
    pictures = [picture for example in examples for picture in example.pictures]
    if card.settings.scope is None or len(pictures) < OF_A_DIRECTION * DIRECTIONS:
        return card
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(MOST, len(pictures))).round().astype(int))
    squares = [_square(pictures[at], card.input.size) for at in chosen]
    parts = [squares[at : at + BATCH] for at in range(0, len(squares), BATCH)]
    with torch.inference_mode():
        seen = [features(maps(normalised(torch.from_numpy(np.stack(part))))) for part in parts]
    heads.typical = Typical([level.shape[1] for level in maps(normalised(torch.from_numpy(squares[0][None])))])
    heads.typical.learn(torch.cat(seen))
    return card.model_copy(update={"settings": card.settings.model_copy(update={"unlike": OPEN})})


def keep_scope(heads: TaskHeads, card: Card, package: TaskPackage) -> Card:
    """Give heads what another package on the same encoder knows of scope; the card with these gates on it, open.

    Raises
    ------
    DamagedWeights
        Those of the package cannot be read.
    """
    theirs = heads_of(package)
    heads.scope, heads.typical = theirs.scope, theirs.typical
    update = {"scope": None if theirs.scope is None else 0.0, "unlike": None if theirs.typical is None else OPEN}
    return card.model_copy(update={"settings": card.settings.model_copy(update=update)})


def _square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    view = (0, 0, picture.shape[1] - 1, picture.shape[0] - 1)
    return square_of(FrameInput(pixels=picture, frame=1, view=view), size)[0]
