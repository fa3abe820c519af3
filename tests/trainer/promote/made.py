"""Packages to promote, copied from a bundled one so that no network has to be made."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.packages import BUNDLED, TaskPackage, card_text, load_package, read_card
from models.packages.encoders import EncoderCard
from models.packages.files import read_table, table_text
from models.packages.folders import PERMISSIVE

TASK = "breast-lesion"
OWN_ENCODER = "sha256:" + "5" * 64
FILES = ("card.yaml", "weights.safetensors")


def package(folder: Path, number: int) -> TaskPackage:
    """A package of its own digest, on an encoder that lies beside it and nowhere else."""
    source = BUNDLED / PERMISSIVE / TASK
    given = load_package(source)
    encoder = folder.parent / "encoders" / "own"
    if not encoder.exists():
        shutil.copytree(given.encoder.path, encoder)
        told = read_table(encoder / "encoder.yaml", EncoderCard, 1).model_copy(update={"digest": OWN_ENCODER})
        (encoder / "encoder.yaml").write_text(table_text(told))
    shutil.copytree(source, folder)
    card = read_card(folder / "card.yaml")
    named = card.encoder.model_copy(update={"digest": OWN_ENCODER})
    (folder / "card.yaml").write_text(card_text(card.model_copy(update={"version": f"0.0.{number}", "encoder": named})))
    return load_package(folder)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of a package."""
    return {name: (folder / name).read_bytes() for name in FILES}
