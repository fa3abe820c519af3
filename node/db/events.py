"""The audit trail: who did what, when, to which object. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import sqlalchemy as sa

from node.db import tables

ObjectKind: TypeAlias = Literal["instance", "study", "revision", "job", "result", "delivery", "commitment", "workitem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the audit trail."""

    at: datetime
    who: str  # a role of the node, "worker", or a person's account
    what: str  # "job.claimed"
    kind: ObjectKind
    key: str | int  # the object's key: a study's UID, else the row's id
    details: dict[str, str | int | None] = field(default_factory=dict)  # never anything about a patient


def record(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Add events in the caller's transaction: they are there exactly when what they tell of is."""
    rows = [
        {
            "at": event.at,
            "who": event.who,
            "what": event.what,
            "object_kind": event.kind,
            "object_key": str(event.key),
            "details": event.details,
        }
        for event in events
    ]
    if rows:
        connection.execute(tables.event.insert(), rows)
