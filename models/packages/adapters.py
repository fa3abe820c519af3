"""Adapters: a task's own small change of an encoder that many tasks share.

References
----------
Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.packages.card import AdapterOnCard
from models.packages.errors import BadAdapter

PREFIX = "adapter."  # of the tensors' names in a package


class LowRank(nn.Module):
    """A change of low rank beside one linear layer; nothing at first."""

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.down = nn.Parameter(torch.empty(rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to what is added to the layer's answer, (..., outputs)."""
        return F.linear(F.linear(x, self.down), self.up) * self.scale


class Adapter(nn.Module):
    """Changes of low rank to some linear layers of an encoder. Made by `new_adapter`.

    Its parameters are all that a training of it changes: the encoder's stay as they are, also in memory.

    Parameters
    ----------
    card
        Rank, scale and layers, as a package's card says them.
    layers
        Inputs and outputs of each changed layer, by its path in the encoder.
    """

    def __init__(self, card: AdapterOnCard, layers: Mapping[str, tuple[int, int]]) -> None:
        super().__init__()
        self.card = card
        self.paths = tuple(layers)
        scale = card.alpha / card.rank
        self.changes = nn.ModuleList(LowRank(*edges, card.rank, scale) for edges in layers.values())

    @contextmanager
    def applied(self, encoder: nn.Module) -> Iterator[None]:
        """While this context lasts, passes of the encoder are changed passes.

        The change is added to what the layers answer; their weights are not touched. It holds for every pass of this
        encoder object, whichever thread makes it: callers let one pass at a time through, as the engine does.

        Raises
        ------
        BadAdapter
            The encoder lacks one of the layers.
        """
        with ExitStack() as ended:
            for path, change in zip(self.paths, self.changes, strict=True):
                layer = _linear(encoder, path)
                handle = layer.register_forward_hook(lambda _, given, out, change=change: out + change(given[0]))
                ended.callback(handle.remove)
            yield

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by the names that a package gives them: `adapter.<path of the layer>.down` and `….up`."""
        named = zip(self.paths, self.changes, strict=True)
        return {
            f"{PREFIX}{path}.{part}": value.detach()
            for path, change in named
            for part, value in change.named_parameters()
        }

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy tensors with the names and shapes of `tensors()` in."""
        with torch.no_grad():
            for name, value in self.tensors().items():
                value.copy_(tensors[name])


def new_adapter(encoder: nn.Module, rank: int, alpha: float, targets: Sequence[str]) -> Adapter:
    """An adapter that changes nothing yet, to be trained.

    Parameters
    ----------
    encoder
        What it is for; only its shapes are looked at.
    rank
        Of the change to each layer.
    alpha
        The change is scaled by alpha / rank.
    targets
        Linear layers: paths in the encoder, or their last parts, such as `attn.qkv` or `linear1`.

    Raises
    ------
    BadAdapter
        A target names no linear layer.
    """
    layers: dict[str, tuple[int, int]] = {}
    linear = {path: module for path, module in encoder.named_modules() if isinstance(module, nn.Linear)}
    for target in targets:
        meant = [path for path in linear if path == target or path.endswith("." + target)]
        if not meant:
            kinds = sorted({path.rpartition(".")[2] for path in linear})
            raise BadAdapter(f"'{target}' names no linear layer of the encoder; there are {', '.join(kinds)}")
        layers |= {path: (linear[path].in_features, linear[path].out_features) for path in meant}
    return Adapter(AdapterOnCard(rank=rank, alpha=alpha, targets=tuple(targets)), dict(sorted(layers.items())))


def trainable(*modules: nn.Module | None) -> int:
    """How many numbers a training of these modules changes; None counts for nothing, as a task without adapter."""
    chosen = {id(p): p for module in modules if module is not None for p in module.parameters() if p.requires_grad}
    return sum(p.numel() for p in chosen.values())


def _linear(encoder: nn.Module, path: str) -> nn.Linear:
    try:
        layer = encoder.get_submodule(path)
    except AttributeError as fault:
        raise BadAdapter(f"the encoder has no layer {path}: the adapter is for another encoder") from fault
    if not isinstance(layer, nn.Linear):
        raise BadAdapter(f"{path} is no linear layer of the encoder: the adapter is for another encoder")
    return layer
