"""The card of a task package: what it is for, what it learned from, how well it does, and when it keeps silent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.findings import Code
from models.packages.errors import CardError, NewerSchema

SCHEMA = 1


class CardPart(BaseModel):
    """Cards are closed and frozen: a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeOnCard(CardPart):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str = Field(max_length=64)

    def to_code(self) -> Code:
        """As findings carry it."""
        return Code(value=self.value, scheme=self.scheme, meaning=self.meaning)


class Structure(CardPart):
    """What the task outlines."""

    name: str
    category: CodeOnCard  # segmented property category
    type: CodeOnCard  # segmented property type
    site: CodeOnCard


class Question(CardPart):
    """A yes-or-no question about the structure."""

    name: str
    code: CodeOnCard
    yes: CodeOnCard
    no: CodeOnCard
    probability_name: str
    probability_code: CodeOnCard
    temperature: float = Field(gt=0)  # logits are divided by it
    shift: float  # added to the logit after that
    threshold: float = Field(ge=0, le=1)  # calibrated probability from which the answer is yes
    threshold_from: str  # how it was chosen


class InputScope(CardPart):
    """What the task may be shown."""

    size: int = Field(ge=64, le=1024, multiple_of=32)  # edge of the network's square, px
    words: str
    not_for: str


class Gates(CardPart):
    """When the task keeps silent; all chosen on validation pictures."""

    scope: float = Field(ge=0, le=1)  # least scope score
    confidence: float = Field(ge=0, le=1)  # least mean probability inside the outline
    area: tuple[float, float]  # share of the looked-at picture, least and most
    dominance: float = Field(ge=0, le=1)  # least share of the largest part in all that was marked
    ellipse: float = Field(ge=0, le=1)  # least overlap (intersection over union) of outline and fitted ellipse


class DataSet(CardPart):
    """A set of pictures that the weights learned from."""

    name: str
    role: str
    licence: str
    pictures: int
    patients: int | None = None


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
    """The encoder whose weights lie in the file."""

    name: str
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class Card(CardPart):
    """All that a reader and the engine need to know of a task package."""

    schema_version: Literal[1] = Field(alias="schema")
    task: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str
    title: str
    status: str
    intended_use: str
    input: InputScope
    structure: Structure
    measures: Literal["ellipse", "diameters"]
    question: Question | None = None
    gates: Gates
    encoder: EncoderOnCard
    weights: Weights
    training: Training
    figures: tuple[Figure, ...]
    baseline: str
    silence: tuple[SilenceFigure, ...]
    limits: tuple[str, ...]

    def canonical(self) -> bytes:
        """One byte string for one meaning: JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True).encode()

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
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise CardError(f"the card {path} cannot be read: {fault}") from fault
    if not isinstance(raw, dict):
        raise CardError(f"the card {path} is not a table of keys and values")
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerSchema(f"the card {path} has schema {schema}, this software reads up to {SCHEMA}: update it")
    try:
        return Card.model_validate(raw)
    except ValidationError as fault:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in fault.errors())
        raise CardError(f"the card {path} breaks the schema: {faults}") from fault


def card_text(card: Card) -> str:
    """The card as YAML, for a file."""
    table = card.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(table, sort_keys=False, allow_unicode=True, width=110)
