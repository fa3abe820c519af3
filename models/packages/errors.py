"""Why a package was refused.

PackageError
├── CardError
├── NewerSchema
├── DamagedWeights
├── UnknownEncoder
├── MissingEncoder
├── BadAdapter
└── ImportRefused
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class PackageError(Exception):
    """A package cannot be used; the message says which and why."""

    code: str = "package"
    retryable: bool = False


class CardError(PackageError):
    """The card is missing, unreadable or not of the schema."""

    code = "package-card"


class NewerSchema(PackageError):
    """The card was written for a later version of this software."""

    code = "package-newer-schema"


class DamagedWeights(PackageError):
    """The weights are missing or are not those that the card was written for."""

    code = "package-damaged-weights"


class UnknownEncoder(PackageError):
    """The card names an architecture that this software does not have."""

    code = "package-unknown-encoder"


class MissingEncoder(PackageError):
    """No whole encoder package has the digest that the card names."""

    code = "package-missing-encoder"


class BadAdapter(PackageError):
    """An adapter is to change layers that the encoder does not have."""

    code = "package-bad-adapter"


class ImportRefused(PackageError):
    """A file of weights from elsewhere is not what this software can take."""

    code = "package-import-refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A folder that was no usable package."""

    path: Path
    code: str
    reason: str
    encoder_digest: str | None = None  # of an encoder package whose card could be read
