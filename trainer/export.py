"""From a checkpoint to task packages."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from models.encoder.factory import create_encoder
from models.network import TaskHeads, TaskNetwork
from models.packages.card import Card, card_text
from models.packages.package import CARD
from models.packages.weights import encoder_digest, stored, write_weights
from trainer.cards import draft
from trainer.lineage import Checkpoint, read_checkpoint
from trainer.recipe import CLASSIFIES

log = logging.getLogger(__name__)


def task_network(checkpoint: Checkpoint, task: str) -> TaskNetwork:
    """The network of one task out of the shared one."""
    encoder = create_encoder(checkpoint.recipe.encoder)
    network = TaskNetwork(encoder, TaskHeads(encoder.config.channels, classifies=CLASSIFIES[task]))
    own = f"heads.{task}."
    picked = {
        name.replace(own, "heads."): value
        for name, value in checkpoint.weights.items()
        if name.startswith(("encoder.", own))
    }
    network.load_state_dict(picked)
    return network.eval()


def write_package(network: TaskNetwork, card: Card, folder: Path) -> Card:
    """Write a package; the card's digests are set to those of the weights written."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = stored(network, torch.float16 if card.weights.precision == "float16" else torch.float32)
    sha256 = write_weights(tensors, folder / card.weights.file)
    whole = card.model_copy(
        update={
            "weights": card.weights.model_copy(update={"sha256": sha256}),
            "encoder": card.encoder.model_copy(update={"digest": encoder_digest(tensors)}),
        }
    )
    (folder / CARD).write_text(card_text(whole), encoding="utf-8")
    return whole


def export(checkpoint: Path, task: str, folder: Path) -> Card:
    """A package with the task's first card: gates and calibration are set by `calibrate`, figures by `evaluate`.

    Raises
    ------
    WrongCheckpoint
        The checkpoint cannot be read.
    """
    state = read_checkpoint(checkpoint)
    card = write_package(task_network(state, task), draft(task, state.recipe, state.stages), folder)
    log.info("package written", extra={"action": "export", "task": task})
    return card
