"""Studies that came because they were asked for as priors: kept, but closed to rules until they come by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from node.db import StudyState
from node.db.events import Event, record
from node.db.tables import prior, study

# A file's time comes from the kernel's coarse clock, which may lag behind what was written down before it.
CLOCKS_DIFFER: Final = timedelta(seconds=1)


def comes_as_prior(connection: sa.Connection, study_uid: str, calling_ae: str, received_at: datetime) -> bool:
    """Whether an instance of a study was received because the study was asked for as a prior."""
    found = connection.execute(
        sa.select(prior.c.id)
        .where(
            prior.c.study_uid == study_uid,
            prior.c.since <= received_at + CLOCKS_DIFFER,
            sa.or_(prior.c.until.is_(None), prior.c.until >= received_at),
            sa.or_(prior.c.sender.is_(None), prior.c.sender == calling_ae),
        )
        .limit(1)
    )
    return found.first() is not None


def release_prior(connection: sa.Connection, study_uid: str, quiet_until: datetime, now: datetime) -> bool:
    """Make a prior a study like any other, in the caller's writing transaction; False where it is none.

    Parameters
    ----------
    connection
        A writing transaction.
    study_uid
        The study.
    quiet_until
        When it is complete if nothing more of it comes.
    now
        The time.
    """
    changed = connection.execute(
        study.update()
        .where(study.c.uid == study_uid, study.c.prior)
        .values(prior=False, state=StudyState.OPEN, quiet_until=quiet_until)
    )
    if changed.rowcount:
        tell_released(connection, study_uid, now)
    return bool(changed.rowcount)


def tell_released(connection: sa.Connection, study_uid: str, now: datetime) -> None:
    """Add to the audit trail that a prior is a study like any other now."""
    record(connection, [Event(at=now, who="scheduler", what="study.prior_no_more", kind="study", key=study_uid)])
