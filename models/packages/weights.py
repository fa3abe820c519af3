"""Weights on disk and networks in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.encoder.factory import create_encoder
from models.network import TaskHeads, TaskNetwork
from models.packages.errors import DamagedWeights
from models.packages.package import TaskPackage

ENCODER_PREFIX = "encoder."
DERIVED = ("relative_position_index", "num_batches_tracked")  # rebuilt, not stored


def stored(network: TaskNetwork, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a network as a package keeps them."""
    return {
        name: value.detach().to(dtype).contiguous().cpu()
        for name, value in network.state_dict().items()
        if not name.endswith(DERIVED)
    }


def encoder_digest(tensors: Mapping[str, Tensor]) -> str:
    """`sha256:…` over the encoder's tensors: name, type, shape and bytes, in the order of names."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(ENCODER_PREFIX):
            value = tensors[name]
            whole.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
            whole.update(value.contiguous().numpy().tobytes())
    return "sha256:" + whole.hexdigest()


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> str:
    """Write a file of weights; returns its SHA-256, hex."""
    save_file(dict(tensors), str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def network_of(package: TaskPackage) -> TaskNetwork:
    """The package's network with its weights, in float32, ready to answer.

    Raises
    ------
    DamagedWeights
        The file is no safetensors file, its tensors are not those of the network, or a number in it is not finite.
    """
    try:
        tensors = load_file(str(package.weights))
    except (SafetensorError, OSError) as fault:
        raise DamagedWeights(f"the weights of {package.path} cannot be read: {fault}") from fault
    if encoder_digest(tensors) != package.card.encoder.digest:
        raise DamagedWeights(f"the encoder in {package.path} is not the one that the card names")
    encoder = create_encoder(package.card.encoder.name)
    heads = TaskHeads(encoder.config.channels, classifies=package.card.question is not None)
    network = TaskNetwork(encoder, heads)
    wide = {name: value.to(torch.float32) for name, value in tensors.items()}
    broken = sorted(name for name, value in wide.items() if not bool(torch.isfinite(value).all()))
    if broken:
        raise DamagedWeights(f"the weights of {package.path} hold numbers that are not finite, in {broken[0]}")
    try:
        missing, unexpected = network.load_state_dict(wide, strict=False)
    except RuntimeError as fault:
        raise DamagedWeights(f"the weights of {package.path} do not fit the network: {fault}") from fault
    lacking = [name for name in missing if not name.endswith(DERIVED)]
    if lacking or unexpected:
        raise DamagedWeights(
            f"the weights of {package.path} do not fit the network: missing {lacking[:5]}, left over {unexpected[:5]}"
        )
    return network.eval().requires_grad_(False)
