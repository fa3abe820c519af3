"""What a candidate keeps silent on: as it learned, or as the package does that it began with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.packages.package import TaskPackage
from models.packages.weights import heads_of
from trainer.promote.settings import Site

GATES = ("scope.", "typical.")  # parts of heads that say what is in scope


def keeps_scope(site: Site, public: Sequence[str]) -> bool:
    """Whether candidates keep the gates of scope that they begin with.

    A candidate learned from one organ and from noise would forget what else there is to keep silent on.

    Parameters
    ----------
    public
        Names of the data sets that candidates learn beside.
    """
    adapt = site.adapt
    if adapt.scope == "auto":
        return adapt.method == "frozen" and adapt.start == "installed" and not public
    return adapt.scope == "kept"


def same_scope(one: TaskPackage, other: TaskPackage) -> bool:
    """Whether two packages have the same gates of scope over the same features: both refuse the same pictures there.

    Raises
    ------
    DamagedWeights
        Weights cannot be read.
    """
    a, b = one.card, other.card
    if a.settings.scope is None or a.adapter is not None or b.adapter is not None:
        return False
    limits = [(s.scope, s.unlike, s.flow) for s in (a.settings, b.settings)]
    if limits[0] != limits[1] or (one.encoder.digest, a.input.size) != (other.encoder.digest, b.input.size):
        return False
    mine, theirs = _gates(one), _gates(other)
    return mine.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in mine.items())


def _gates(package: TaskPackage) -> dict[str, Tensor]:
    return {name: value for name, value in heads_of(package).state_dict().items() if name.startswith(GATES)}
