"""Judging storage commitment requests: what of it is in the index, and lies on the disk as it was received.

References
----------
DICOM PS3.3 C.14.1.1 (Failure Reason).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from node.db import read, write
from node.db.tables import commitment_request, instance

NO_SUCH_INSTANCE: Final = 0x0112
CLASS_INSTANCE_CONFLICT: Final = 0x0119
PROCESSING_FAILURE: Final = 0x0110
CHUNK: Final = 500  # UIDs in one statement
PATIENCE_S: Final = 60.0  # for received files that cannot be filed now


def judge_commitments(engine: sa.Engine, root: Path, now: datetime, *, left: int) -> int:
    """Judge the requests that came before `now`; how many there were.

    To be called after `index_incoming`, so that everything that was acknowledged before a request is in the index.

    Parameters
    ----------
    engine
        The database.
    root
        The archive's root.
    now
        When the indexing began.
    left
        Received files that could not be filed: while there are any, what is missing is waited for a little.
    """
    with read(engine) as connection:
        waiting = connection.execute(
            sa.select(commitment_request)
            .where(commitment_request.c.judged_at.is_(None), commitment_request.c.requested_at <= now)
            .order_by(commitment_request.c.id)
        ).all()
    judged = 0
    for each in waiting:
        failures = dict(_failures(engine, root, each.instances))
        if failures and left and now - each.requested_at < timedelta(seconds=PATIENCE_S):
            continue
        with write(engine) as connection:
            # Where the same request came once more in between, it is judged at the next look.
            judged += connection.execute(
                commitment_request.update()
                .where(commitment_request.c.id == each.id, commitment_request.c.requested_at == each.requested_at)
                .values(judged_at=now, failures=failures)
            ).rowcount
    return judged


def _failures(engine: sa.Engine, root: Path, pairs: Sequence[Sequence[str]]) -> Iterator[tuple[str, int]]:
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        wanted = sa.select(instance).where(
            instance.c.sop_instance_uid.in_([uid for _, uid in chunk]), ~instance.c.conflict
        )
        with read(engine) as connection:
            here = {row.sop_instance_uid: row for row in connection.execute(wanted)}
        for sop_class, uid in chunk:
            row = here.get(uid)
            if row is None:
                yield uid, NO_SUCH_INSTANCE
            elif row.sop_class != sop_class:
                yield uid, CLASS_INSTANCE_CONFLICT
            elif not _is_whole(root / row.path, row.bytes):
                yield uid, PROCESSING_FAILURE


def _is_whole(path: Path, data_set_bytes: int) -> bool:
    try:
        return path.stat().st_size > data_set_bytes  # preamble and File Meta come before the data set
    except OSError:
        return False
