"""The encoders as timm knows models. Importing this module registers them: `timm.create_model("echocare_base")`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from timm.layers.classifier import ClassifierHead
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from models.encoder.checkpoint import fitted
from models.encoder.config import BASE, SMALL, TINY, EncoderConfig
from models.encoder.swin import LEVELS, Trunk
from models.normalise import MEAN, SPREAD

__all__ = ["EchoCareModel"]  # timm adds the names of the models

NORMALISATION = {"mean": (MEAN,) * 3, "std": (SPREAD,) * 3}
default_cfgs = generate_default_cfgs(
    {
        config.name: {
            "url": "",
            "num_classes": 0,
            "input_size": (config.in_channels, 256, 256),
            "pool_size": (8, 8),
            "crop_pct": 1.0,
            "interpolation": "bilinear",
            "first_conv": "patch_embed.proj",
            "classifier": "head.fc",
            **NORMALISATION,
        }
        for config in (BASE, SMALL, TINY)
    }
)
"""How each model wants its pictures. Weights are nowhere to be fetched: name a file in `pretrained_cfg_overlay`."""


class EchoCareModel(Trunk):
    """An encoder with timm's manners: features, and a head with as many classes as wanted.

    Without classes the state dict is that of the encoder alone.

    Parameters
    ----------
    num_classes
        0: no classifier, the model answers with what the classifier would get.
    global_pool
        timm's name of what gathers the last map; empty leaves the map as it is.
    drop_rate
        Share of the gathered numbers that training leaves out.
    """

    def __init__(
        self, config: EncoderConfig, num_classes: int = 0, global_pool: str = "avg", drop_rate: float = 0.0
    ) -> None:
        super().__init__(config)
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = config.channels[-1]
        self.feature_info = [
            {"num_chs": channels, "reduction": stride, "module": f"layers{level}" if level else "patch_embed"}
            for level, (channels, stride) in enumerate(zip(config.channels, config.strides, strict=True))
        ]
        self.head = ClassifierHead(self.num_features, num_classes, pool_type=global_pool, drop_rate=drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to (batch, num_classes), or to (batch, num_features) without classes."""
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to the last map, (batch, num_features, H / 32, W / 32)."""
        return self.maps(x)[-1]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last map to the answer, or to what the classifier gets."""
        out: Tensor = self.head(x, pre_logits=pre_logits)
        return out

    def get_classifier(self) -> nn.Module:
        """The layer that gives classes; without classes it hands on what it gets."""
        classifier: nn.Module = self.head.fc
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Take a fresh classifier, and another gathering where one is named."""
        self.num_classes = num_classes
        self.head.reset(num_classes, pool_type=global_pool)
        self.head_hidden_size = self.head.num_features

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: Literal["NCHW"] = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Chosen maps; with the last one before them unless `intermediates_only`.

        Parameters
        ----------
        x
            (batch, in_channels, H, W).
        indices
            Of the five maps, finest first; a number means the last so many, None all.
        norm
            Without effect: the maps of this encoder are always normalised.
        stop_early
            Compute no map beyond the last chosen one.

        Raises
        ------
        ValueError
            Another format is asked for.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"maps come as NCHW, not as {output_fmt}")
        chosen, last = feature_take_indices(LEVELS, indices)
        maps = self.maps(x, last + 1 if intermediates_only or stop_early else LEVELS)
        taken = [maps[i] for i in chosen]
        return taken if intermediates_only else (maps[-1], taken)

    def prune_intermediate_layers(
        self,
        indices: int | list[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Give up the stages that chosen maps do not need; the indices of those maps."""
        chosen, last = feature_take_indices(LEVELS, indices)
        for number in range(last + 1, LEVELS):
            delattr(self, f"layers{number}")
            delattr(self, f"layers{number}c")
        if prune_head:
            self.reset_classifier(0, "")
        return list(chosen)

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that training should not draw to zero."""
        return {name for name, _ in self.named_parameters() if "relative_position" in name}

    def group_matcher(self, coarse: bool = False) -> dict[str, object]:
        """Names of parameters by depth, for learning rates that change with it."""
        fine = [
            (r"^layers(\d)c", (-1,)),
            (r"^layers(\d)\.0\.blocks\.(\d+)", None),
            (r"^layers(\d)\.0\.downsample", (99,)),
        ]
        return {"stem": r"^patch_embed", "blocks": r"^layers(\d)" if coarse else fine}


def _build(config: EncoderConfig, *, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    def built(in_chans: int = config.in_channels, window_size: int = config.window, **head: Any) -> EchoCareModel:  # noqa: ANN401 - what else the caller of timm named
        return EchoCareModel(replace(config, in_channels=in_chans, window=window_size), **head)

    model: nn.Module = build_model_with_cfg(
        built,
        config.name,
        pretrained,
        pretrained_filter_fn=fitted,
        feature_cfg={"out_indices": tuple(range(LEVELS)), "feature_cls": "getter"},
        **kwargs,
    )
    return model


@register_model
def echocare_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:  # noqa: ANN401 - timm's own arguments
    """The published encoder."""
    return _build(BASE, pretrained=pretrained, kwargs=kwargs)


@register_model
def echocare_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:  # noqa: ANN401 - timm's own arguments
    """A smaller sibling."""
    return _build(SMALL, pretrained=pretrained, kwargs=kwargs)


@register_model
def echocare_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:  # noqa: ANN401 - timm's own arguments
    """The smallest sibling, for CPUs."""
    return _build(TINY, pretrained=pretrained, kwargs=kwargs)
