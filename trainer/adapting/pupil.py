"""The network that learns: an encoder, perhaps an adapter of it, and the heads of one task."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from models.encoder.swin import EchoCareEncoder
from models.heads.task import TaskHeads, build_heads
from models.packages.adapters import Adapter, new_adapter, trainable
from models.packages.encoders import EncoderPackage
from models.packages.settings import Settings
from models.packages.weights import encoder_of
from trainer.adapting.convolutions import fresh
from trainer.adapting.plan import Plan
from trainer.errors import WrongCheckpoint


class Pupil(nn.Module):
    """Encoder, adapter and heads, as a plan has them.

    Parameters
    ----------
    plan
        Which of them learn.
    settings
        Of the task's card.
    package
        The encoder to start from; not looked at from scratch.
    """

    def __init__(self, plan: Plan, settings: Settings, package: EncoderPackage | None) -> None:
        super().__init__()
        self.plan = plan
        self.encoder: EchoCareEncoder = (
            fresh(plan.architecture) if plan.method == "scratch" or package is None else encoder_of(package)
        )
        self.encoder.requires_grad_(plan.trains_encoder)
        self.adapter: Adapter | None = None
        if plan.method == "lora":
            self.adapter = new_adapter(self.encoder, plan.rank, plan.alpha, plan.targets)
        self.heads: TaskHeads = build_heads(self.encoder.config.channels, settings)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The five maps of normalised images (batch, 3, S, S); with gradients only where something learns by them."""
        learns = self.training and (self.adapter is not None or self.plan.trains_encoder)
        changed = self.adapter.applied(self.encoder) if self.adapter is not None else nullcontext()
        with torch.set_grad_enabled(learns), changed:
            levels: list[Tensor] = self.encoder(images)
        return levels

    def train(self, mode: bool = True) -> Pupil:
        """Learning or answering; an encoder that does not learn always answers."""
        super().train(mode)
        self.encoder.train(mode and self.plan.trains_encoder)
        return self

    def groups(self) -> list[dict[str, object]]:
        """Parameters for an optimizer, by learning rate and by whether they decay."""
        own: list[nn.Module] = [self.heads] if self.adapter is None else [self.heads, self.adapter]
        learners: list[tuple[list[nn.Module], float]] = [(own, self.plan.head_rate)]
        if self.plan.trains_encoder:
            learners.append(([self.encoder], self.plan.encoder_rate))
        out: list[dict[str, object]] = []
        for modules, rate in learners:
            named = [pair for module in modules for pair in module.named_parameters()]
            flat = [p for n, p in named if p.ndim < 2 or "relative_position" in n]
            deep = [p for n, p in named if p.ndim >= 2 and "relative_position" not in n]
            out += [{"params": deep, "lr": rate, "weight_decay": self.plan.decay}]
            out += [{"params": flat, "lr": rate, "weight_decay": 0.0}]
        return out

    def learned(self) -> dict[str, Tensor]:
        """The tensors that learning changes, copied."""
        frozen = () if self.plan.trains_encoder else ("encoder.",)
        return {name: v.detach().clone() for name, v in self.state_dict().items() if not name.startswith(frozen)}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `learned` gave.

        Raises
        ------
        WrongCheckpoint
            They are of another network.
        """
        missing, unexpected = self.load_state_dict(dict(tensors), strict=False)
        lost = [name for name in missing if self.plan.trains_encoder or not name.startswith("encoder.")]
        if lost or unexpected:
            raise WrongCheckpoint(f"the weights are of another network: {', '.join([*lost, *unexpected][:5])}")

    def trained_numbers(self) -> int:
        """How many numbers learning changes."""
        return trainable(self.heads, self.adapter, self.encoder if self.plan.trains_encoder else None)
