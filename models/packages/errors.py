"""Why a task package was refused.

PackageError
├── CardError
├── NewerSchema
├── DamagedWeights
└── UnknownEncoder
"""

from __future__ import annotations


class PackageError(Exception):
    """A task package cannot be used; the message says which and why."""

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
    """The card names an encoder that this software does not have."""

    code = "package-unknown-encoder"
