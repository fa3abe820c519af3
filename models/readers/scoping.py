"""Whether a picture is of the kind that a task was made for."""

from __future__ import annotations

from models.frames import Place
from models.packages.parts import KindSettings
from models.readers.reader import Raw, Seen


def scope_of(raw: Raw) -> float:
    """The scope score, 0 to 1; 1 of a task that has no scope head."""
    return float(raw["scope"]) if "scope" in raw else 1.0


def out_of_scope(seen: Seen, settings: KindSettings, subject: str) -> str | None:
    """Why nothing is said of a picture, in words with the numbers; None: it is in scope."""
    if (reason := colour_flow(seen.place, settings)) is not None:
        return reason
    score = scope_of(seen.raw)
    if settings.scope is not None and score < settings.scope:
        return f"not a picture for {subject} (scope score {score:.2f} < {settings.scope:.2f})"
    distance = float(seen.raw["unlike"]) if settings.unlike is not None else 0.0
    if settings.unlike is not None and distance > settings.unlike:
        return f"too unlike all that {subject} learned from (distance {distance:.1f} > {settings.unlike:.1f})"
    return None


def colour_flow(place: Place, settings: KindSettings) -> str | None:
    """That a picture shows colour flow, of which a task that learned from gray pictures says nothing; or None."""
    if place.flow <= settings.flow:
        return None
    return f"colour flow covers {place.flow:.0%} of the picture (more than {settings.flow:.0%}): send it without colour"
