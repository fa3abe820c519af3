"""Whether a picture is of the kind that a task was made for."""

from __future__ import annotations

from models.packages.parts import KindSettings
from models.readers.reader import Raw


def scope_of(raw: Raw) -> float:
    """The scope score, 0 to 1; 1 of a task that has no scope head."""
    return float(raw["scope"]) if "scope" in raw else 1.0


def out_of_scope(raw: Raw, settings: KindSettings, subject: str) -> str | None:
    """Why nothing is said of a picture, in words with the numbers; None: it is in scope."""
    score = scope_of(raw)
    if settings.scope is None or score >= settings.scope:
        return None
    return f"not a picture for {subject} (scope score {score:.2f} < {settings.scope:.2f})"
