"""Packages from fresh weights, as small as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.encoder.factory import create_encoder
from models.encoder.swin import EchoCareEncoder
from models.heads.task import build_heads
from models.packages import EncoderPackage, TaskPackage, load_package
from models.packages.adapters import Adapter
from models.packages.card import Card, DataSet, EncoderOnCard, InputScope, Training, Weights
from models.packages.parts import CodeOnCard, Structure
from models.packages.settings import Gates, OutlineSettings
from models.packages.weights import stored
from models.packages.writing import About, write_encoder, write_package

TINY = "echocare_tiny"
FREE = DataSet(name="Open Heads", role="in scope", licence="CC BY 4.0", pictures=10)
NON_COMMERCIAL = DataSet(name="Closed Heads", role="in scope", licence="CC BY-NC-SA 4.0", pictures=10)
HEAD = CodeOnCard(value="69536005", scheme="SCT", meaning="Head")


def fresh_encoder(seed: int = 0) -> EchoCareEncoder:
    """The tiny architecture with weights of chance."""
    torch.manual_seed(seed)
    return create_encoder(TINY).eval().requires_grad_(False)


def encoder_package(into: Path, encoder: EchoCareEncoder | None = None, data: DataSet = FREE) -> EncoderPackage:
    """An encoder package in a folder of `into`."""
    about = About(title="Encoder of chance", data=(data,), origin="drawn at random", notes="")
    return write_encoder(stored(encoder or fresh_encoder(), torch.float16), TINY, about, into)


def outline_card(task: str = "fetal-head", **changes: Any) -> Card:
    """A card whose digests are set when a package is written."""
    card = Card(
        schema=1,
        task=task,
        version="0.0.1",
        title="Outline of chance",
        status="research use only, not for diagnosis",
        intended_use="Tests.",
        input=InputScope(size=64, words="anything", not_for="anything else"),
        settings=OutlineSettings(
            scope=0.5,
            structure=Structure(name="head", category=HEAD, type=HEAD, site=HEAD),
            measures="ellipse",
            gates=Gates(confidence=0.5, area=(0.01, 0.9), dominance=0.5, ellipse=0.5),
        ),
        encoder=EncoderOnCard(name=TINY, digest="sha256:" + "0" * 64),
        weights=Weights(sha256="0" * 64, precision="float16"),
        training=Training(data=(FREE,), split="none", command="none", seed=0, hours=0, machine="none", notes=""),
        figures=(),
        baseline="none",
        silence=(),
        limits=(),
    )
    return card.model_copy(update=changes)


def outline_package(folder: Path, encoder: EncoderPackage, card: Card, adapter: Adapter | None = None) -> TaskPackage:
    """An outline package in `folder`; its encoder must lie where `load_package` looks."""
    torch.manual_seed(len(card.task))
    write_package(build_heads(encoder.config.channels, card.settings), card, encoder, folder, adapter)
    return load_package(folder)
