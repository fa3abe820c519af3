"""Networks that learn from scratch: our encoders, and a convolutional one to measure them by."""

from __future__ import annotations

from typing import Any, cast

import timm
from torch import Tensor, nn

from models.encoder.config import CONFIGS
from models.encoder.factory import create_encoder
from models.encoder.swin import EchoCareEncoder

CONVOLUTIONAL = "lcnet_150"  # of timm: 2.24 M numbers, `echocare_tiny` has 2.21 M; both give maps at strides 2 to 32


class Shape:
    """What heads ask of an encoder's configuration.

    Parameters
    ----------
    channels, strides
        Of the five maps, finest first.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.channels, self.strides = channels, strides


class Convolutional(nn.Module):
    """A network of timm without pretrained weights, with an encoder's manners.

    Parameters
    ----------
    name
        As timm knows it; one that gives five maps.

    References
    ----------
    Cui et al., "PP-LCNet: A Lightweight CPU Convolutional Neural Network", 2021.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        layers: Any = timm.create_model(name, features_only=True, pretrained=False)  # features_only adds feature_info
        self.layers: nn.Module = layers
        self.config = Shape(tuple(layers.feature_info.channels()), tuple(layers.feature_info.reduction()))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(batch, 3, H, W), normalised, to five maps at strides 2 to 32."""
        return list(self.layers(images))


def fresh(name: str) -> EchoCareEncoder:
    """A network of a name with weights of chance: an encoder of ours, or one of timm with the same manners."""
    if name in CONFIGS:
        return create_encoder(name)
    return cast(EchoCareEncoder, Convolutional(name))  # learned from scratch only, so no adapter ever meets it
