"""How one task is learned on one encoder: everything that decides the weights, in one value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

Method: TypeAlias = Literal["frozen", "lora", "full", "scratch"]
METHODS: tuple[Method, ...] = get_args(Method)
Baseline: TypeAlias = Literal["scratch", "cnn"]  # the same network from chance; a convolutional one of like size
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
HEAD_RATE = 3e-3  # highest learning rate of heads and adapters
ENCODER_RATE = 4e-4  # of an encoder that already sees
FRESH_RATE = 1.2e-3  # of everything, from scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One adaptation."""

    task: str
    # frozen: heads alone; lora: heads and an adapter; full: all; scratch: all, from weights of chance
    method: Method
    architecture: str
    encoder: str  # digest; empty from scratch
    epochs: int = 40
    seed: int = 0
    shots: int | None = None  # examples that are learned from, of each answer where there are answers; None: all
    share: float | None = None  # of the training patients, 0 to 1, that are learned from; None: all
    batch: int = 8
    outsiders: int = 2  # in each batch, for the scope head
    least: int = 96  # showings in an epoch: few examples are shown several times
    views: int = 8  # of each example, where maps are kept
    patience: int = 12  # epochs without a better validation loss, then it ends
    decay: float = 0.05
    rank: int = 8  # of the adapter
    alpha: float = 16.0
    targets: tuple[str, ...] = ("attn.qkv", "attn.proj")

    @property
    def trains_encoder(self) -> bool:
        """Whether the encoder's own weights change."""
        return self.method in ("full", "scratch")

    @property
    def encoder_rate(self) -> float:
        """Highest learning rate of the encoder's own weights."""
        return FRESH_RATE if self.method == "scratch" else ENCODER_RATE

    @property
    def head_rate(self) -> float:
        """Highest learning rate of heads and adapter."""
        return FRESH_RATE if self.trains_encoder else HEAD_RATE

    def digest(self) -> str:
        """Hex digest that tells plans apart."""
        values = asdict(self)
        if self.share is None:  # plans that know nothing of shares keep the digests that cards and checkpoints tell
            del values["share"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
