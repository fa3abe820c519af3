"""Task packages: finding them, checking them, reading their cards."""

from models.packages.card import Card, card_text, read_card
from models.packages.errors import CardError, DamagedWeights, NewerSchema, PackageError, UnknownEncoder
from models.packages.package import BUNDLED, Refusal, TaskPackage, discover, load_package, verify

__all__ = [
    "BUNDLED",
    "Card",
    "CardError",
    "DamagedWeights",
    "NewerSchema",
    "PackageError",
    "Refusal",
    "TaskPackage",
    "UnknownEncoder",
    "card_text",
    "discover",
    "load_package",
    "read_card",
    "verify",
]
