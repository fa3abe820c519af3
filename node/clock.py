"""The clock of roles, where a test gives them no other."""

from __future__ import annotations

from datetime import UTC, datetime


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)
