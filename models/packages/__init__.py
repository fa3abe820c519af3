"""Packages of tasks and of encoders: finding them, checking them, reading their cards. Free of torch."""

from models.packages.card import Card, card_text, read_card
from models.packages.encoders import EncoderCard, EncoderPackage, Encoders, find_encoders, load_encoder
from models.packages.errors import (
    BadAdapter,
    CardError,
    DamagedWeights,
    ImportRefused,
    MissingEncoder,
    NewerSchema,
    PackageError,
    Refusal,
    UnknownEncoder,
)
from models.packages.package import BUNDLED, Inventory, TaskPackage, discover, inventory, load_package, verify

__all__ = [
    "BUNDLED",
    "BadAdapter",
    "Card",
    "CardError",
    "DamagedWeights",
    "EncoderCard",
    "EncoderPackage",
    "Encoders",
    "ImportRefused",
    "Inventory",
    "MissingEncoder",
    "NewerSchema",
    "PackageError",
    "Refusal",
    "TaskPackage",
    "UnknownEncoder",
    "card_text",
    "discover",
    "find_encoders",
    "inventory",
    "load_encoder",
    "load_package",
    "read_card",
    "verify",
]
