"""How often each picture is shown: down the hierarchy region, organ, device, rare branches more than their share.

Balance alone would show the few pictures of a rare organ over and over until they are learned by heart, which
EchoCare's authors name as a limit of theirs. So what a picture gains is bounded, and what it cannot take goes to the
others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.pretrain.pictures import Picture


def chances(pictures: Sequence[Picture], balance: float, most: float) -> NDArray[np.float64]:
    """Probability of each picture to be the next one.

    Parameters
    ----------
    balance
        A branch with n pictures is chosen among its siblings by n ** balance: 1 is without balance, 0 all alike.
    most
        No picture is more probable than `most` times 1 / len(pictures).

    Returns
    -------
    NDArray
        (len(pictures),), float64, sum 1.
    """
    paths = [_path(picture) for picture in pictures]
    out = np.zeros(len(paths))
    _share(paths, list(range(len(paths))), 1.0, 0, balance, out)
    return _bounded(out, max(1.0, most) / len(paths))


def drawn(chance: NDArray[np.float64], count: int, seed: int, step: int) -> list[int]:
    """Numbers of the pictures of a step; the same whenever and in however many processes it is asked.

    No picture comes twice in a step while there are enough of them.
    """
    rng = np.random.default_rng([seed, step, 0])
    again = count > len(chance)
    return [int(i) for i in rng.choice(len(chance), count, replace=again, p=chance)]


def _path(picture: Picture) -> tuple[str, str, str]:
    return picture.shown.region, picture.shown.organ, picture.device or picture.data_set


def _share(
    paths: list[tuple[str, str, str]],
    members: list[int],
    whole: float,
    level: int,
    balance: float,
    out: NDArray[np.float64],
) -> None:
    """Give `whole` to the members, branch by branch."""
    if level == 3:
        out[members] = whole / len(members)
        return
    branches: dict[str, list[int]] = {}
    for i in members:
        branches.setdefault(paths[i][level], []).append(i)
    weights: dict[str, float] = {name: len(inside) ** balance for name, inside in branches.items()}
    total = sum(weights.values())
    for name, inside in branches.items():
        _share(paths, inside, whole * weights[name] / total, level + 1, balance, out)


def _bounded(chance: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Cut at the bound and give the rest to those below it, until none is above."""
    out = chance.copy()
    full = np.zeros(len(out), bool)
    while (out > bound * (1 + 1e-9)).any():
        full |= out >= bound
        if full.all():
            return np.full(len(out), 1 / len(out))
        out[full] = bound
        out[~full] *= (1 - bound * full.sum()) / out[~full].sum()
    whole: NDArray[np.float64] = out / out.sum()
    return whole
