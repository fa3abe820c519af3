"""A network whose weights, gradients and moments lie in parts on several processes, for what one device cannot hold.

Each stage of the encoder is brought together only while it computes. A checkpoint is always of whole tensors, in the
layout that one process writes, so that a training goes on in any number of processes, with parts or without.

References
----------
Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023; `fully_shard` of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from models.encoder.swin import LEVELS
from trainer import parallel
from trainer.pretrain.network import PretrainNetwork

MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW, of the shape of their parameter


def shard(network: PretrainNetwork, device: torch.device) -> None:
    """Leave of every parameter this process's part; a call of all processes, which must hold the same weights.

    From then on the network is asked through `asked` and `learned`, which bring the parts together and let them go.
    """
    mesh = init_device_mesh(device.type, (parallel.count(),))
    for number in range(1, LEVELS):
        fully_shard(network.encoder.residual(number), mesh=mesh)
        fully_shard(network.encoder.stage(number), mesh=mesh)
    # Let go after every pass: between passes the parameters must be the parts, which the average is made of.
    fully_shard(network, mesh=mesh, reshard_after_forward=True)
    for method in ("asked", "learned"):
        register_fsdp_forward_method(network, method)


def whole(value: Any) -> Any:  # noqa: ANN401 - whatever a state dict holds
    """Parts in a state dict brought together; a call of all processes, and only the first one needs what it gives."""
    if isinstance(value, DTensor):
        together = value.full_tensor()
        return together.cpu() if parallel.rank() == 0 else None
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list) else value


def load_network(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Whole tensors into a network, in parts or not."""
    own = network.state_dict()
    network.load_state_dict(
        {name: _like(tensor, own[name]) if name in own else tensor for name, tensor in state.items()}
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Whole moments into the optimizer of a network in parts or not."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        number: {name: _like(value, parameters[number]) if name in MOMENTS else value for name, value in values.items()}
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


def _like(tensor: Tensor, own: Tensor | None) -> Tensor:
    if not isinstance(own, DTensor):
        return tensor
    # Every process has read the same file: each takes its part of what it holds, and nothing is sent.
    return distribute_tensor(tensor, own.device_mesh, own.placements, src_data_rank=None)
