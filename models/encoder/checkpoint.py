"""State dicts made with windows of another size, or with what only pretraining needs, as an encoder takes them.

References
----------
Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, section 3.2: for
another window size the relative position bias is interpolated bicubically.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import torch.nn.functional as F
from torch import Tensor, nn

from models.encoder.errors import UnfitTable

TABLE = ".relative_position_bias_table"
INDEX = ".relative_position_index"
MASK_TOKEN = "mask_token"  # noqa: S105 - stands for hidden patches in pretraining; an encoder sees all


def fitted(state: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """A state dict as `encoder.load_state_dict` takes it.

    Tables of relative positions that were made for windows of another size are interpolated; the indices into them,
    which follow from the window size alone, are the encoder's own; a mask token is left out. All else is as it was.

    Parameters
    ----------
    state
        Tensors by their names in the state dict.
    encoder
        What they are for; only its shapes are looked at.

    Raises
    ------
    UnfitTable
        A table is of no square window, or has not as many columns as the encoder has heads there.
    """
    own = encoder.state_dict()
    taken = {}
    for name, value in state.items():
        if name == MASK_TOKEN:
            continue
        if name.endswith(INDEX) and name in own:
            taken[name] = own[name]
        elif name.endswith(TABLE) and name in own and own[name].shape != value.shape:
            taken[name] = _resized(name, value, own[name])
        else:
            taken[name] = value
    return taken


def _resized(name: str, table: Tensor, wanted: Tensor) -> Tensor:
    """((2 w - 1)^2, heads) for windows of w x w pixels to the same for those of `wanted`."""
    edge, new_edge = isqrt(len(table)), isqrt(len(wanted))
    if edge * edge != len(table) or edge % 2 == 0 or table.shape[1:] != wanted.shape[1:]:
        raise UnfitTable(f"{name} is {tuple(table.shape)}: it cannot be brought to {tuple(wanted.shape)}")
    grid = table.t().reshape(1, -1, edge, edge)
    # corners stay corners, so no distance stays no distance and the farthest stays the farthest
    grid = F.interpolate(grid.float(), size=(new_edge, new_edge), mode="bicubic", align_corners=True)
    return grid.reshape(-1, new_edge * new_edge).t().to(table.dtype)
