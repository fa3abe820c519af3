"""What the files of a package must be before anything looks into them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from models.packages.errors import CardError, DamagedWeights, NewerSchema
from models.packages.parts import CardPart

Part = TypeVar("Part", bound=CardPart)


def read_table(path: Path, kind: type[Part], newest: int) -> Part:
    """Read a YAML file as a closed table.

    Parameters
    ----------
    path
        The file.
    kind
        What it must hold, beside its number `schema`.
    newest
        The latest schema that this software reads.

    Raises
    ------
    CardError
        It is not there, is no YAML, or breaks the schema; each fault is named.
    NewerSchema
        Its schema number is above `newest`.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as fault:  # ValueError: no UTF-8, or a date that is none
        raise CardError(f"the card {path} cannot be read: {fault}") from fault
    if not isinstance(raw, dict):
        raise CardError(f"the card {path} is not a table of keys and values")
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > newest:
        raise NewerSchema(f"the card {path} has schema {schema}, this software reads up to {newest}: update it")
    try:
        return kind.model_validate(raw)
    except ValidationError as fault:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in fault.errors())
        raise CardError(f"the card {path} breaks the schema: {faults}") from fault


def table_text(part: CardPart) -> str:
    """A table as YAML, for a file."""
    table = part.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(table, sort_keys=False, allow_unicode=True, width=110)


def check_weights(folder: Path, name: str, sha256: str) -> None:
    """Check that a folder's file of weights is the one that its card was written for.

    Raises
    ------
    CardError
        The name leads out of the folder.
    DamagedWeights
        The file is missing or another one.
    """
    if os.path.basename(name) != name:
        raise CardError(f"the package {folder} names weights outside its own folder: {name}")
    try:
        with (folder / name).open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as fault:
        raise DamagedWeights(f"the package {folder} has no readable weights: {fault}") from fault
    if found != sha256:
        raise DamagedWeights(
            f"the weights of {folder} have digest {found[:12]}…, its card says {sha256[:12]}…: copy again"
        )
