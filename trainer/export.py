"""From a checkpoint to packages: one of the encoder, and one of each task beside it."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from models.encoder.factory import create_encoder
from models.heads.task import build_heads
from models.packages.card import Card
from models.packages.encoders import EncoderPackage
from models.packages.folders import ENCODERS
from models.packages.weights import ENCODER_PREFIX, PRECISIONS, stored
from models.packages.writing import About, write_encoder, write_package
from trainer.cards import draft, outline_training
from trainer.errors import WrongCheckpoint
from trainer.joint.tasks import joint_spec
from trainer.lineage import Checkpoint, read_checkpoint

log = logging.getLogger(__name__)


def export(checkpoint: Path, task: str, folder: Path) -> Card:
    """A package with the task's first card: gates and calibration are set by `calibrate`, figures by `evaluate`.

    The encoder is written into the folder `encoders` beside `folder`, unless it lies there already.

    Raises
    ------
    WrongCheckpoint
        The checkpoint cannot be read, or its weights are not those of the encoder and the task.
    """
    state = read_checkpoint(checkpoint)
    training = outline_training(task, state.recipe, state.stages)
    card = draft(joint_spec(task), state.recipe.sizes[-1][1], state.recipe.encoder, training)
    encoder = create_encoder(state.recipe.encoder)
    heads = build_heads(encoder.config.channels, card.settings)
    _load(encoder, state, ENCODER_PREFIX, checkpoint)
    _load(heads, state, f"heads.{task}.", checkpoint)
    package = _encoder_package(stored(encoder, PRECISIONS[card.weights.precision]), card, folder.parent / ENCODERS)
    whole = write_package(heads, card, package, folder)
    log.info("package written", extra={"action": "export", "task": task})
    return whole


def _load(module: torch.nn.Module, state: Checkpoint, prefix: str, checkpoint: Path) -> None:
    own = {name.removeprefix(prefix): value for name, value in state.weights.items() if name.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as fault:
        raise WrongCheckpoint(f"{checkpoint} holds other weights than '{prefix}' wants: {fault}") from fault


def _encoder_package(tensors: dict[str, torch.Tensor], card: Card, into: Path) -> EncoderPackage:
    about = About(
        title=f"Ultrasound encoder {card.encoder.name}, trained with the tasks on it",
        data=tuple(data.model_copy(update={"role": "training of the tasks on it"}) for data in card.training.data),
        origin=card.training.command,
        notes=card.training.notes,
    )
    return write_encoder(tensors, card.encoder.name, about, into)
