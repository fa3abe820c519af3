"""Task packages: a folder with `card.yaml` and the weights that the card was written for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.encoder.config import CONFIGS
from models.findings import TaskIdentity
from models.packages.card import Card, read_card
from models.packages.errors import CardError, DamagedWeights, PackageError, UnknownEncoder

BUNDLED = Path(__file__).resolve().parents[1] / "bundled"
CARD = "card.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPackage:
    """A package whose card and weights were found whole."""

    identity: TaskIdentity
    card: Card
    path: Path

    @property
    def weights(self) -> Path:
        """The file of weights."""
        return self.path / self.card.weights.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A folder that was no usable package."""

    path: Path
    code: str
    reason: str


def load_package(path: Path) -> TaskPackage:
    """Read a package and check that it is whole.

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
        This software has no such encoder.
    """
    card = read_card(path / CARD)
    if card.encoder.name not in CONFIGS:
        raise UnknownEncoder(
            f"the package {path} wants the encoder '{card.encoder.name}'; there are {', '.join(sorted(CONFIGS))}"
        )
    if os.path.basename(card.weights.file) != card.weights.file:
        raise CardError(f"the package {path} names weights outside its own folder: {card.weights.file}")
    file = path / card.weights.file
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as fault:
        raise DamagedWeights(f"the package {path} has no readable weights: {fault}") from fault
    if found != card.weights.sha256:
        raise DamagedWeights(
            f"the weights of {path} have digest {found[:12]}…, its card says {card.weights.sha256[:12]}…: copy again"
        )
    identity = TaskIdentity(
        task=card.task, version=card.version, digest=card.digest(), encoder_digest=card.encoder.digest
    )
    return TaskPackage(identity=identity, card=card, path=path)


def verify(path: Path) -> TaskPackage:
    """Check a package to the last tensor: as `load_package`, and the network takes the weights.

    Raises
    ------
    PackageError
        One of its kinds; the message says what is wrong.
    """
    from models.packages.weights import network_of

    package = load_package(path)
    network_of(package)
    return package


def discover(extra: Sequence[Path] = ()) -> tuple[tuple[TaskPackage, ...], tuple[Refusal, ...]]:
    """All packages that can be used, and the folders that cannot, with the reason.

    Parameters
    ----------
    extra
        Folders of packages, or packages, besides the bundled ones. Of two packages of one task the later stands.

    Returns
    -------
    tuple
        Packages by task name, and refusals.
    """
    packages: dict[str, TaskPackage] = {}
    refusals: list[Refusal] = []
    for folder in _folders([BUNDLED, *extra]):
        try:
            package = load_package(folder)
        except PackageError as fault:
            refusals.append(Refusal(path=folder, code=fault.code, reason=str(fault)))
        else:
            packages[package.identity.task] = package
    return tuple(packages[task] for task in sorted(packages)), tuple(refusals)


def _folders(roots: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for root in roots:
        if (root / CARD).exists():
            found.append(root)
        elif root.is_dir():
            found += sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
    return found
