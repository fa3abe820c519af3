"""The card of a task package: what it is for, what it learned from, how well it does, and when it keeps silent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from models.packages.files import read_table, table_text
from models.packages.licences import Use, use_of_licence
from models.packages.parts import CardPart
from models.packages.settings import Settings

SCHEMA = 1
NEWER = {"trial": None, "headline": ()}  # keys that came later, and what they are where a card lacks them


class InputScope(CardPart):
    """What the task may be shown."""

    size: int = Field(ge=64, le=1024, multiple_of=32)  # edge of the network's square, px
    words: str
    not_for: str


def _use(given: dict[str, Any]) -> Use:
    return use_of_licence(str(given.get("licence", "")))


class DataSet(CardPart):
    """A set of pictures that the weights learned from."""

    name: str
    role: str
    licence: str
    pictures: int | None = None
    patients: int | None = None
    use: Use = Field(default_factory=_use)  # what the licence leaves open; by its words where the card does not say


class Training(CardPart):
    """How the weights came about."""

    data: tuple[DataSet, ...]
    split: str
    command: str
    seed: int
    hours: float
    machine: str
    notes: str


class Figure(CardPart):
    """A measured figure with its 95 % bootstrap interval."""

    name: str
    data: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int
    note: str = ""


class SilenceFigure(CardPart):
    """How often the task answered where it should not."""

    data: str
    n: int
    answered: int
    seen_in_training: str


class Weights(CardPart):
    """The file of weights."""

    file: str = "weights.safetensors"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    precision: Literal["float16", "float32"]


class EncoderOnCard(CardPart):
    """The encoder that the heads were trained on; its weights lie in a package of its own."""

    name: str  # of the architecture
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class AdapterOnCard(CardPart):
    """A small change of the encoder that this task alone uses; its weights lie beside those of the heads."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(ge=1, le=256)
    alpha: float = Field(gt=0)  # the change is scaled by alpha / rank
    targets: tuple[str, ...] = Field(min_length=1)  # linear layers: paths, or their last parts, such as attn.qkv


class Card(CardPart):
    """All that a reader and the engine need to know of a task package."""

    schema_version: Literal[1] = Field(alias="schema")
    task: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str
    title: str
    status: str
    trial: str | None = Field(default=None, min_length=1)  # why nobody should rely on it; None: it is no trial
    intended_use: str
    input: InputScope
    settings: Settings
    encoder: EncoderOnCard
    adapter: AdapterOnCard | None = None
    weights: Weights
    training: Training
    figures: tuple[Figure, ...]
    headline: tuple[str, ...] = ()  # names of the figures that stand for the package where there is room for few
    baseline: str
    silence: tuple[SilenceFigure, ...]
    limits: tuple[str, ...]

    def canonical(self) -> bytes:
        """One byte string for one meaning: JSON with sorted keys; for a card without `NEWER` as before they came."""
        without = {key for key, empty in NEWER.items() if getattr(self, key) == empty}
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude=without), sort_keys=True).encode()

    def headlines(self) -> tuple[Figure, ...]:
        """The first figure of each name in `headline`, that of the task's own data."""
        found = {figure.name: figure for figure in reversed(self.figures)}
        return tuple(found[name] for name in self.headline if name in found)

    def digest(self) -> str:
        """`sha256:…` over the card and, through their digest in it, over the weights."""
        return "sha256:" + hashlib.sha256(self.canonical() + bytes.fromhex(self.weights.sha256)).hexdigest()


def read_card(path: Path) -> Card:
    """Read a card file.

    Raises
    ------
    CardError
        It is not there, is no YAML, or breaks the schema; each fault is named.
    NewerSchema
        Its schema number is above `SCHEMA`.
    """
    return read_table(path, Card, SCHEMA)


def card_text(card: Card) -> str:
    """The card as YAML, for a file."""
    return table_text(card)
