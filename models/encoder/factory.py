"""Encoders by name."""

from __future__ import annotations

from models.encoder.config import CONFIGS
from models.encoder.swin import EchoCareEncoder


def create_encoder(name: str) -> EchoCareEncoder:
    """Build an encoder with fresh weights.

    Raises
    ------
    KeyError
        No encoder has this name; the message lists those that exist.
    """
    if name not in CONFIGS:
        raise KeyError(f"no encoder is called '{name}'; there are {', '.join(sorted(CONFIGS))}")
    return EchoCareEncoder(CONFIGS[name])
