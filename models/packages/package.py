"""Task packages: a folder with `card.yaml` and the weights of the heads, on an encoder that is named by digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.findings import TaskIdentity
from models.packages.card import Card, DataSet, read_card
from models.packages.encoders import EncoderPackage, Encoders, find_encoders
from models.packages.errors import PackageError, Refusal
from models.packages.files import check_weights
from models.packages.folders import CARD as CARD
from models.packages.folders import PERMISSIVE, Bundled, bundled_in, folders_in
from models.packages.licences import Use, strictest

BUNDLED = Path(__file__).resolve().parents[1] / "bundled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPackage:
    """A package whose card, weights and encoder were found whole."""

    identity: TaskIdentity
    card: Card
    path: Path
    encoder: EncoderPackage

    @property
    def weights(self) -> Path:
        """The file of weights: heads, and the adapter if there is one."""
        return self.path / self.card.weights.file

    @property
    def use(self) -> Use:
        """What the licences of all training data leave open, the encoder's included."""
        return strictest((*(data.use for data in self.card.training.data), self.encoder.use))

    @property
    def limited(self) -> tuple[DataSet, ...]:
        """The sets of its training and of its encoder's that are not permissive, each once."""
        own = [each for each in self.card.training.data if each.use != "permissive"]
        return tuple({each.name: each for each in (*own, *self.encoder.limited)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that lies in the package folders."""

    packages: tuple[TaskPackage, ...]  # one a task, by task name
    replaced: tuple[TaskPackage, ...]  # whole, but another package of the same task was found later
    encoders: tuple[EncoderPackage, ...]  # by architecture and digest
    refusals: tuple[Refusal, ...]


def load_package(path: Path, encoders: Encoders | None = None) -> TaskPackage:
    """Read a task package and check that it is whole.

    Parameters
    ----------
    path
        The package's folder.
    encoders
        Where to look for its encoder; without, among the bundled ones, beside the package, and in a folder `encoders`
        beside the package.

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
    MissingEncoder
        No whole encoder package has the digest that the card names.
    """
    # A link may be switched to another package under a node that runs: what was found is what stays to be read.
    place = path.resolve() if path.is_symlink() else path
    card = read_card(place / CARD)
    check_weights(place, card.weights.file, card.weights.sha256)
    if encoders is None:
        encoders = find_encoders(folders_in([*bundled_in(BUNDLED, "all"), path.parent]).encoders, card.encoder.digest)
    encoder = encoders.wanted(card.encoder, path)
    identity = TaskIdentity(
        task=card.task,
        version=card.version,
        digest=card.digest(),
        encoder_digest=card.encoder.digest,
        trial=card.trial or "",
    )
    return TaskPackage(identity=identity, card=card, path=place, encoder=encoder)


def verify(path: Path, encoders: Encoders | None = None) -> TaskPackage:
    """Check a task package to the last tensor: as `load_package`, and the networks take all weights, the encoder's too.

    Raises
    ------
    PackageError
        One of its kinds; the message says what is wrong.
    """
    from models.packages.weights import check_encoder, check_own_weights

    package = load_package(path, encoders)
    check_encoder(package.encoder)
    check_own_weights(package)
    return package


def inventory(extra: Sequence[Path] = (), bundled: Bundled = "all") -> Inventory:
    """Everything in the bundled folders and in others.

    Parameters
    ----------
    extra
        Folders of packages, or packages, besides the bundled ones. Of two packages of one task the later stands.
    bundled
        Which of the bundled tasks are taken. The permissive encoder serves packages of other folders also where no
        bundled task is.
    """
    folders = folders_in([*bundled_in(BUNDLED, bundled), *extra])
    standing = folders_in([BUNDLED / PERMISSIVE]).encoders if bundled == "none" else ()
    encoders = find_encoders([*standing, *folders.encoders])
    packages: dict[str, TaskPackage] = {}
    replaced: list[TaskPackage] = []
    refusals = [*folders.refusals, *encoders.refusals]
    for folder in folders.tasks:
        try:
            package = load_package(folder, encoders)
        except PackageError as fault:
            refusals.append(Refusal(path=folder, code=fault.code, reason=str(fault)))
        else:
            task = package.identity.task
            if task in packages:
                replaced.append(packages[task])
            packages[task] = package
    return Inventory(
        packages=tuple(packages[task] for task in sorted(packages)),
        replaced=tuple(replaced),
        encoders=tuple(sorted(encoders.whole.values(), key=lambda each: (each.name, each.digest))),
        refusals=tuple(refusals),
    )


def discover(
    extra: Sequence[Path] = (), bundled: Bundled = "all"
) -> tuple[tuple[TaskPackage, ...], tuple[Refusal, ...]]:
    """The task packages that can be used, one a task, by task name; and the folders that cannot, with the reason.

    The parameters are those of `inventory`.
    """
    found = inventory(extra, bundled)
    return found.packages, found.refusals
