"""Weights on disk and networks in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.encoder.factory import create_encoder
from models.encoder.swin import EchoCareEncoder
from models.heads.task import TaskHeads, build_heads
from models.packages.adapters import PREFIX, Adapter, new_adapter
from models.packages.encoders import EncoderPackage
from models.packages.errors import BadAdapter, DamagedWeights
from models.packages.package import TaskPackage

ENCODER_PREFIX = "encoder."  # of an encoder's tensors in a network that holds heads as well
DERIVED = ("relative_position_index", "num_batches_tracked")  # rebuilt, not stored
PRECISIONS: dict[Literal["float16", "float32"], torch.dtype] = {"float16": torch.float16, "float32": torch.float32}
NAMED = 20  # most tensors that one message names


def stored(module: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a module as a package keeps them."""
    return {
        name: value.detach().to(dtype).contiguous().cpu()
        for name, value in module.state_dict().items()
        if not name.endswith(DERIVED)
    }


def encoder_digest(tensors: Mapping[str, Tensor]) -> str:
    """`sha256:…` over an encoder's tensors as stored: name, type, shape and bytes, in the order of names."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        whole.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        whole.update(value.contiguous().numpy().tobytes())
    return "sha256:" + whole.hexdigest()


def bare_encoder(name: str) -> EchoCareEncoder:
    """An encoder with shapes but without numbers (on the device `meta`): quick, and takes no memory."""
    with torch.device("meta"):
        return create_encoder(name)


def encoder_of(encoder: EncoderPackage) -> EchoCareEncoder:
    """The network of an encoder package, in float32, ready to answer, its weights not to be trained.

    Raises
    ------
    DamagedWeights
        The file is no safetensors file, its tensors are not those of the digest or of the network, or a number in it
        is not finite.
    """
    tensors = _tensors(encoder.weights)
    found = encoder_digest(tensors)
    if found != encoder.digest:
        raise DamagedWeights(
            f"the tensors of {encoder.path} have digest {found[:19]}…, its card says {encoder.digest[:19]}…: copy again"
        )
    network = create_encoder(encoder.name)
    _fill(network, tensors, PRECISIONS[encoder.card.weights.precision], encoder.path)
    return network.eval().requires_grad_(False)


def heads_of(package: TaskPackage) -> TaskHeads:
    """The heads of a task package, in float32, ready to answer.

    Raises
    ------
    DamagedWeights
        As of `encoder_of`, for the heads.
    """
    tensors = _tensors(package.weights)
    if package.card.adapter is not None:
        tensors = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    heads = build_heads(package.encoder.config.channels, package.card.settings)
    _fill(heads, tensors, PRECISIONS[package.card.weights.precision], package.path)
    return heads.eval()


def adapter_of(package: TaskPackage) -> Adapter | None:
    """The adapter of a task package, in float32; None where the card has none.

    Raises
    ------
    DamagedWeights
        As of `encoder_of`, for the adapter; or the card's adapter is for other layers than its encoder has.
    """
    card = package.card.adapter
    if card is None:
        return None
    try:
        adapter = new_adapter(bare_encoder(package.encoder.name), card.rank, card.alpha, card.targets)
    except BadAdapter as fault:
        raise DamagedWeights(f"the adapter of {package.path} is not for its encoder: {fault}") from fault
    tensors = {name: value for name, value in _tensors(package.weights).items() if name.startswith(PREFIX)}
    _check(tensors, PRECISIONS[package.card.weights.precision], package.path)
    _raise_differences(tensors, {name: tuple(value.shape) for name, value in adapter.tensors().items()}, package.path)
    adapter.take(tensors)
    return adapter.eval()


def check_encoder(encoder: EncoderPackage) -> None:
    """Check an encoder package to the last tensor; raises DamagedWeights."""
    encoder_of(encoder)


def check_own_weights(package: TaskPackage) -> None:
    """Check heads and adapter of a task package to the last tensor; raises DamagedWeights."""
    heads_of(package)
    adapter_of(package)


def differences(found: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What is missing, left over or of another shape, in words that name the tensors; empty where all is right."""
    told = []
    for words, names in (("missing", wanted.keys() - found.keys()), ("left over", found.keys() - wanted.keys())):
        if names:
            told.append(f"{words}: {named(sorted(names))}")
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {shape}"
        for name, shape in sorted(wanted.items())
        if name in found and tuple(found[name].shape) != shape
    ]
    if shapes:
        told.append(f"of another shape: {named(shapes)}")
    return told


def named(names: list[str]) -> str:
    """Names for a message; many are cut short, and counted."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that hold numbers that are not finite."""
    return sorted(name for name, value in tensors.items() if not bool(torch.isfinite(value).all()))


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(str(file))
    except (SafetensorError, OSError) as fault:
        raise DamagedWeights(f"the weights {file} cannot be read: {fault}") from fault
    return tensors


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype, where: Path) -> None:
    _check(tensors, dtype, where)
    own = module.state_dict()
    _raise_differences(
        tensors, {name: tuple(value.shape) for name, value in own.items() if not name.endswith(DERIVED)}, where
    )
    module.load_state_dict({name: value.to(torch.float32) for name, value in tensors.items()}, strict=False)


def _check(tensors: Mapping[str, Tensor], dtype: torch.dtype, where: Path) -> None:
    other = sorted(name for name, value in tensors.items() if value.dtype != dtype)
    if other:
        raise DamagedWeights(f"the weights of {where} are not all {dtype}, as its card says: {named(other)}")
    broken = not_finite(tensors)
    if broken:
        raise DamagedWeights(f"the weights of {where} hold numbers that are not finite, in {named(broken)}")


def _raise_differences(found: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], where: Path) -> None:
    told = differences(found, wanted)
    if told:
        raise DamagedWeights(f"the weights of {where} do not fit the network; {'; '.join(told)}")
