"""From and to encoder packages, with the licences of all data that went in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from models.packages.card import DataSet
from models.packages.encoders import EncoderPackage
from models.packages.weights import stored
from models.packages.writing import About, write_encoder
from trainer.pretrain.errors import NotPermissive
from trainer.pretrain.network import PretrainNetwork
from trainer.pretrain.pictures import Picture
from trainer.pretrain.training import Pretrainer

ENCODERS = "encoders"
ROLE = "pretraining"


def check_permissive(encoder: EncoderPackage) -> None:
    """Raises NotPermissive where weights to start from learned from data of other licences."""
    if encoder.use != "permissive":
        raise NotPermissive(
            f"{encoder.path} learned from data whose use is {encoder.use}: start from another encoder, or from none"
        )


def write(
    trainer: Pretrainer,
    averaged: PretrainNetwork,
    pictures: Sequence[Picture],
    start: EncoderPackage | None,
    into: Path,
) -> EncoderPackage:
    """The averaged encoder of a training as a package with its card, below `into`; raises OSError."""
    recipe = trainer.recipe
    weights = [f"reconstruction {recipe.reconstruction_weight:g}", f"contrast {recipe.contrast_weight:g}"]
    weights.append(f"view {recipe.view_weight:g}")
    notes = [
        f"Masked reconstruction with mining of hard patches, contrast of two views, region and organ; losses weighted"
        f" {', '.join(weights)}. {trainer.done} of {recipe.steps} steps of {recipe.batch} pictures in two views,"
        f" {trainer.seconds / 3600:.2f} h, recipe {trainer.origin['recipe'][:12]}, seed {recipe.seed},"
        f" pictures {trainer.origin['pictures'][:12]}."
    ]
    if recipe.unseen:
        notes.append(f"Never shown: {', '.join(recipe.unseen)}.")
    if start is not None:
        notes.append(f"Started from {start.name} {start.digest}: {start.card.notes}")
    about = About(
        title=f"Ultrasound encoder {recipe.encoder}, pretrained",
        data=(*data_sets(pictures), *(_earlier(start) if start is not None else ())),
        origin=_command(pictures, start),
        notes=" ".join(notes),
    )
    return write_encoder(stored(averaged.encoder, torch.float16), recipe.encoder, about, into / ENCODERS)


def _command(pictures: Sequence[Picture], start: EncoderPackage | None) -> str:
    """Without the names of folders, which say nothing elsewhere."""
    permissive = all(data.use == "permissive" for data in data_sets(pictures))
    words = "echocare-train pretrain --data DIR" + (" --use permissive" if permissive else "")
    return words if start is None else f"{words} --initial {start.path.name}"


def data_sets(pictures: Sequence[Picture]) -> tuple[DataSet, ...]:
    """Each set once for each licence of its pictures."""
    groups: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        groups.setdefault((picture.data_set, picture.licence), []).append(picture)
    return tuple(
        DataSet(
            name=name,
            role=ROLE,
            licence=licence or "not stated",
            pictures=len(inside),
            patients=len({picture.patient for picture in inside}),
        )
        for (name, licence), inside in sorted(groups.items())
    )


def _earlier(start: EncoderPackage) -> tuple[DataSet, ...]:
    return tuple(data.model_copy(update={"role": f"{data.role}, before this pretraining"}) for data in start.card.data)
