"""Modality Performed Procedure Step: N-CREATE and N-SET.

References
----------
DICOM PS3.4 F.7.2.1 (N-CREATE), F.7.2.2 (N-SET, statuses).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from integration.dimse import StepStatus, read_new_step, read_step_change
from node.db import Signal, StepState, write
from node.db.dialect import lock_row
from node.db.events import Event, record
from node.db.tables import performed_step
from node.listener.options import ServiceOptions
from node.services.errors import Refused
from node.services.naming import uid_of_new
from node.services.requests import (
    DUPLICATE_INSTANCE,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    Fulfilled,
    ServiceRequest,
)
from node.studies import Announcement, announce, hold_open, let_go, studies_in_progress

NO_LONGER_UPDATED: Final = 0xA710  # Error ID: Performed Procedure Step Object may no longer be updated
_STATES: Final = {StepStatus.COMPLETED: StepState.COMPLETED, StepStatus.DISCONTINUED: StepState.DISCONTINUED}


def create_step(engine: sa.Engine, request: ServiceRequest, options: ServiceOptions, now: datetime) -> Fulfilled:
    """A modality begins a step.

    Raises
    ------
    Refused
        The UID is taken or none.
    InvalidRequest
        The attribute list cannot be used.
    """
    uid = uid_of_new(request)
    step = read_new_step(request.data_set, request.transfer_syntax_uid)
    # Where procedures are grouped the images carry one of the studies; the first is heeded for the quiet timer.
    study_uid = step.study_uids[0]
    with write(engine) as connection:
        lock_row(connection, uid)
        if _row(connection, uid) is not None:
            raise Refused("this performed procedure step exists already", status=DUPLICATE_INSTANCE)
        connection.execute(
            performed_step.insert().values(
                uid=uid,
                study_uid=study_uid,
                state=StepState.IN_PROGRESS,
                calling_ae=request.calling_ae,
                instances=list(step.instances),
                created_at=now,
                changed_at=now,
            )
        )
        _tell(connection, "study.step_begun", study_uid, request.calling_ae, now)
        if options.hold_s:
            hold_open(connection, study_uid, options.hold_s)
    return Fulfilled(sop_instance_uid=uid)


def change_step(engine: sa.Engine, request: ServiceRequest, options: ServiceOptions, now: datetime) -> Fulfilled:
    """A modality goes on with a step, or ends it.

    COMPLETED announces the instances that the step names; DISCONTINUED leaves what came to the quiet timer.

    Raises
    ------
    Refused
        There is no such step, or it has ended.
    InvalidRequest
        The modification list cannot be used.
    """
    change = read_step_change(request.data_set, request.transfer_syntax_uid)
    uid = request.sop_instance_uid
    with write(engine) as connection:
        lock_row(connection, uid)
        row = _row(connection, uid)
        if row is None:
            raise Refused("no such performed procedure step", status=NO_SUCH_INSTANCE)
        if row.state != StepState.IN_PROGRESS:
            raise Refused(
                "Performed Procedure Step Object may no longer be updated",
                status=PROCESSING_FAILURE,
                error_id=NO_LONGER_UPDATED,
            )
        instances = row.instances if change.instances is None else list(change.instances)
        state = StepState.IN_PROGRESS if change.status is None else _STATES.get(change.status, StepState.IN_PROGRESS)
        connection.execute(
            performed_step.update()
            .where(performed_step.c.uid == uid)
            .values(state=state, instances=instances, changed_at=now)
        )
        if state != StepState.IN_PROGRESS:
            _tell(connection, f"study.step_{state}", row.study_uid, request.calling_ae, now)
            if not studies_in_progress(connection, [row.study_uid], now - timedelta(seconds=options.keep_s)):
                let_go(connection, row.study_uid, options.quiet_s, now)
        if state == StepState.COMPLETED:
            announce(
                connection,
                Announcement(
                    signal=Signal.MPPS, source_uid=uid, study_uid=row.study_uid, instances=tuple(instances), at=now
                ),
            )
    return Fulfilled(sop_instance_uid=uid)


def _row(connection: sa.Connection, uid: str) -> sa.Row[*tuple[object, ...]] | None:
    return connection.execute(
        sa.select(performed_step).where(performed_step.c.uid == uid).with_for_update()
    ).one_or_none()


def _tell(connection: sa.Connection, what: str, study_uid: str, calling_ae: str, now: datetime) -> None:
    record(
        connection,
        [Event(at=now, who=calling_ae, what=what, kind="study", key=study_uid, details={"calling_ae": calling_ae})],
    )
