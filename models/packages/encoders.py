"""Encoder packages: a folder with `encoder.yaml` and weights that any number of tasks hang on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from models.encoder.config import CONFIGS, EncoderConfig
from models.packages.card import DataSet, EncoderOnCard, Weights
from models.packages.errors import CardError, MissingEncoder, PackageError, Refusal, UnknownEncoder
from models.packages.files import check_weights, read_table
from models.packages.folders import ENCODER_CARD
from models.packages.licences import Use, strictest
from models.packages.parts import CardPart

SCHEMA: Final = 1
SHORT = 12  # hex digits of a digest that tell encoders apart in the names of folders


class EncoderCard(CardPart):
    """All that a reader needs to know of an encoder."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str  # of the architecture
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")  # over the tensors, see `weights.encoder_digest`
    title: str
    weights: Weights
    data: tuple[DataSet, ...]
    origin: str  # how the weights came about
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPackage:
    """An encoder whose card and weights were found whole."""

    card: EncoderCard
    path: Path

    @property
    def name(self) -> str:
        """Of the architecture."""
        return self.card.name

    @property
    def digest(self) -> str:
        """`sha256:…` over the tensors."""
        return self.card.digest

    @property
    def weights(self) -> Path:
        """The file of weights."""
        return self.path / self.card.weights.file

    @property
    def config(self) -> EncoderConfig:
        """The shapes of the architecture."""
        return CONFIGS[self.card.name]

    @property
    def use(self) -> Use:
        """What the licences of its training data leave open."""
        return strictest(data.use for data in self.card.data)

    @property
    def limited(self) -> tuple[DataSet, ...]:
        """The sets of its training that are not permissive, each once."""
        return tuple({each.name: each for each in self.card.data if each.use != "permissive"}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """The encoder packages that were found."""

    whole: Mapping[str, EncoderPackage]  # by digest
    refusals: tuple[Refusal, ...] = ()

    def wanted(self, encoder: EncoderOnCard, package: Path) -> EncoderPackage:
        """The encoder that a task's card names.

        Raises
        ------
        UnknownEncoder
            This software has no such architecture.
        MissingEncoder
            There is none of this digest, or it is damaged.
        CardError
            The encoder of this digest is of another architecture.
        """
        check_architecture(encoder.name, package)
        found = self.whole.get(encoder.digest)
        if found is None:
            raise MissingEncoder(
                f"the package {package} needs the encoder {encoder.name} {encoder.digest}, {self._why(encoder)}"
            )
        if found.name != encoder.name:
            raise CardError(
                f"the card of {package} calls its encoder {encoder.name}, but {found.path} with this digest is"
                f" {found.name}: make the package again"
            )
        return found

    def _why(self, encoder: EncoderOnCard) -> str:
        for refusal in self.refusals:
            if refusal.encoder_digest == encoder.digest:
                return f"which was refused: {refusal.reason}"
        kin = [each.digest for each in self.whole.values() if each.name == encoder.name]
        others = f"; of this name there is {', '.join(kin)}" if kin else ""
        return f"which is in no package folder{others}: copy that encoder there"


def check_architecture(name: str, package: Path) -> None:
    """Refuse names of architectures that this software does not have; raises UnknownEncoder."""
    if name not in CONFIGS:
        raise UnknownEncoder(
            f"the package {package} is for the encoder '{name}';"
            f" this software has {', '.join(sorted(CONFIGS))}: update it"
        )


def load_encoder(path: Path) -> EncoderPackage:
    """Read an encoder package and check that it is whole.

    Parameters
    ----------
    path
        The package's folder.

    Raises
    ------
    CardError
        The card is missing or breaks the schema.
    NewerSchema
        The card is of a later schema.
    DamagedWeights
        The weights are missing or their digest is not the card's.
    UnknownEncoder
        This software has no such architecture.
    """
    return _whole(_card(path), path)


def find_encoders(folders: Iterable[Path], digest: str | None = None) -> Encoders:
    """Read the encoder packages in these folders; one that is not whole is refused and the others stand.

    Parameters
    ----------
    folders
        Folders of encoder packages, as `folders_in` finds them.
    digest
        Look only into the weights of this one.
    """
    whole: dict[str, EncoderPackage] = {}
    refusals: list[Refusal] = []
    for folder in folders:
        says: str | None = None
        try:
            card = _card(folder)
            says = card.digest
            if digest in (None, says) and says not in whole:
                whole[says] = _whole(card, folder)
        except PackageError as fault:
            refusals.append(Refusal(path=folder, code=fault.code, reason=str(fault), encoder_digest=says))
    return Encoders(whole=whole, refusals=tuple(refusals))


def _card(folder: Path) -> EncoderCard:
    return read_table(folder / ENCODER_CARD, EncoderCard, SCHEMA)


def _whole(card: EncoderCard, folder: Path) -> EncoderPackage:
    check_architecture(card.name, folder)
    check_weights(folder, card.weights.file, card.weights.sha256)
    return EncoderPackage(card=card, path=folder)
