"""Packages onto disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from models.heads.task import TaskHeads
from models.packages.adapters import Adapter
from models.packages.card import Card, DataSet, EncoderOnCard, Weights, card_text
from models.packages.encoders import SCHEMA, SHORT, EncoderCard, EncoderPackage, load_encoder
from models.packages.errors import CardError, DamagedWeights
from models.packages.files import table_text
from models.packages.folders import CARD, ENCODER_CARD
from models.packages.weights import PRECISIONS, encoder_digest, stored

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an encoder's card tells people."""

    title: str
    data: tuple[DataSet, ...]
    origin: str  # how the weights came about
    notes: str


def write_encoder(tensors: Mapping[str, Tensor], name: str, about: About, into: Path) -> EncoderPackage:
    """Write an encoder package into a folder of its own; one that lies there whole already is left as it is.

    Parameters
    ----------
    tensors
        As `weights.stored` gives them: all float16 or all float32.
    name
        Of the architecture.
    into
        The package's folder is made here, named by architecture and digest.

    Raises
    ------
    OSError
        The folder cannot be written.
    NewerSchema
        An encoder of this digest lies there, written by a later version of this software.
    """
    digest = encoder_digest(tensors)
    folder = into / f"{name}-{digest.partition(':')[2][:SHORT]}"
    there = _whole(folder)
    if there is not None and there.digest == digest:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {value.dtype for value in tensors.values()}
    (precision,) = [words for words, dtype in PRECISIONS.items() if kinds == {dtype}]
    card = EncoderCard(
        schema=SCHEMA,
        name=name,
        digest=digest,
        title=about.title,
        weights=Weights(file=WEIGHTS, sha256=_write_weights(tensors, folder / WEIGHTS), precision=precision),
        data=about.data,
        origin=about.origin,
        notes=about.notes,
    )
    _replace(folder / ENCODER_CARD, table_text(card).encode())
    return EncoderPackage(card=card, path=folder)


def write_package(
    heads: TaskHeads, card: Card, encoder: EncoderPackage, folder: Path, adapter: Adapter | None = None
) -> Card:
    """Write a task package; the card's digests, encoder and adapter are set to what is written.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dtype = PRECISIONS[card.weights.precision]
    tensors = stored(heads, dtype)
    if adapter is not None:
        tensors |= {name: value.to(dtype).contiguous().cpu() for name, value in adapter.tensors().items()}
    sha256 = _write_weights(tensors, folder / card.weights.file)
    whole = card.model_copy(
        update={
            "weights": card.weights.model_copy(update={"sha256": sha256}),
            "encoder": EncoderOnCard(name=encoder.name, digest=encoder.digest),
            "adapter": adapter.card if adapter is not None else None,
        }
    )
    _replace(folder / CARD, card_text(whole).encode())
    return whole


def _whole(folder: Path) -> EncoderPackage | None:
    try:
        return load_encoder(folder)
    except (CardError, DamagedWeights):  # not there yet, or written again
        return None


def _write_weights(tensors: Mapping[str, Tensor], path: Path) -> str:
    content = save(dict(tensors))  # not save_file, whose files only their owner may read
    _replace(path, content)
    return hashlib.sha256(content).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file and put it in its place when it is whole on disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
