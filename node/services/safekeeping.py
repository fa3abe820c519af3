"""Storage commitment as others ask it of this node: N-ACTION, and the report that they are owed.

A request is a row before it is answered, and stays one until its report was taken. The caller's own association goes
first with the report; when it ends, or after `ASSOCIATION_S`, the `Reporters` call the peer.

References
----------
DICOM PS3.4 J.3 (N-ACTION, N-EVENT-REPORT).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from integration.dimse import CommitmentReport, Reference, encoded_report, read_commitment_request
from node.db import ReportState, Signal, write
from node.db.dialect import insert_new
from node.db.events import Event, record
from node.db.tables import commitment_request, instance
from node.listener.options import ServiceOptions
from node.services.errors import Refused
from node.services.requests import (
    NO_SUCH_ACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    Fulfilled,
    OwedReport,
    ServiceRequest,
)
from node.studies import Announcement, announce

WELL_KNOWN_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_ACTION: Final = 1
ASSOCIATION_S: Final = 15.0  # for which the report is left to the caller's association
ANSWER_S: Final = 60.0  # for the response to a report that was sent on it


def take_request(engine: sa.Engine, request: ServiceRequest, options: ServiceOptions, now: datetime) -> Fulfilled:
    """A peer asks this node to keep instances.

    Asked twice with the same transaction, it is one request, reported once more.

    Raises
    ------
    Refused
        It is no such request, or its transaction was another one.
    InvalidRequest
        The action information cannot be used.
    """
    if request.sop_instance_uid != WELL_KNOWN_INSTANCE:
        raise Refused("not the well-known storage commitment instance", status=NO_SUCH_INSTANCE)
    if request.type_id != REQUEST_ACTION:
        raise Refused("Action Type ID is not 1", status=NO_SUCH_ACTION)
    asked = read_commitment_request(request.data_set, request.transfer_syntax_uid)
    pairs = [[reference.sop_class, reference.sop_instance] for reference in asked.references]
    later = now + timedelta(seconds=ASSOCIATION_S)
    values = {
        "transaction_uid": asked.transaction_uid, "calling_ae": request.calling_ae, "instances": pairs,
        "requested_at": now, "state": ReportState.WAITING, "attempt": 0, "not_before": later,
    }  # fmt: skip
    with write(engine) as connection:
        key = insert_new(connection, commitment_request, values, ("transaction_uid", "calling_ae"))
        if key is None:
            key = _again(connection, asked.transaction_uid, request.calling_ae, pairs, (now, later))
        details: dict[str, str | int | None] = {"calling_ae": request.calling_ae, "instances": len(pairs)}
        _tell(connection, "commitment.requested", asked.transaction_uid, now, details)
        if options.commitment_completes:
            _announce(connection, asked.transaction_uid, asked.references, now)
    return Fulfilled(sop_instance_uid=WELL_KNOWN_INSTANCE, owed=key, owed_s=ASSOCIATION_S)


def _again(
    connection: sa.Connection,
    transaction_uid: str,
    calling_ae: str,
    pairs: list[list[str]],
    when: tuple[datetime, datetime],
) -> int:
    now, later = when
    mine = (
        commitment_request.c.transaction_uid == transaction_uid,
        commitment_request.c.calling_ae == calling_ae,
    )
    row = connection.execute(sa.select(commitment_request).where(*mine).with_for_update()).one()
    if sorted(row.instances) != sorted(pairs):
        raise Refused("this transaction UID stands for another request", status=PROCESSING_FAILURE)
    afresh = {
        "state": ReportState.WAITING, "requested_at": now, "not_before": later, "judged_at": None, "failures": None,
        "attempt": 0, "error": None,
    }  # fmt: skip
    connection.execute(commitment_request.update().where(*mine).values(**afresh))
    return int(row.id)


def _announce(
    connection: sa.Connection, transaction_uid: str, references: tuple[Reference, ...], now: datetime
) -> None:
    uids = tuple(reference.sop_instance for reference in references)
    known = sa.select(instance.c.study_uid).where(instance.c.sop_instance_uid == uids[0]).limit(1)
    study_uid = connection.execute(known).scalar_one_or_none()
    if study_uid is not None:
        said = Announcement(
            signal=Signal.COMMITMENT, source_uid=transaction_uid, study_uid=study_uid, instances=uids, at=now
        )
        announce(connection, said)


def claim_for_association(engine: sa.Engine, key: int, transfer_syntax: str, now: datetime) -> OwedReport | None:
    """The report of a request, to be sent on the caller's association; None where it is not judged, or not ours."""
    with write(engine) as connection:
        row = connection.execute(
            sa.select(commitment_request)
            .where(
                commitment_request.c.id == key,
                commitment_request.c.state == ReportState.WAITING,
                commitment_request.c.judged_at.is_not(None),
                commitment_request.c.attempt == 0,
                commitment_request.c.not_before > now,
            )
            .with_for_update()
        ).one_or_none()
        if row is None:
            return None
        connection.execute(
            commitment_request.update()
            .where(commitment_request.c.id == key)
            .values(attempt=1, not_before=now + timedelta(seconds=ANSWER_S))
        )
    report = report_of(row)
    return OwedReport(event_type=report.event_type, event_information=encoded_report(report, transfer_syntax))


def report_of(row: sa.Row[*tuple[object, ...]]) -> CommitmentReport:
    """The report of a request that is judged."""
    failures: dict[str, int] = row.failures or {}
    references = [Reference(sop_class=sop_class, sop_instance=uid) for sop_class, uid in row.instances]
    return CommitmentReport(
        transaction_uid=row.transaction_uid,
        committed=tuple(each for each in references if each.sop_instance not in failures),
        failed=tuple((each, failures[each.sop_instance]) for each in references if each.sop_instance in failures),
    )


def mark_reported(engine: sa.Engine, key: int, now: datetime) -> None:
    """The peer has taken the report."""
    with write(engine) as connection:
        row = connection.execute(
            commitment_request.update()
            .where(commitment_request.c.id == key, commitment_request.c.state == ReportState.WAITING)
            .values(state=ReportState.REPORTED, reported_at=now, error=None)
            .returning(commitment_request.c.transaction_uid, commitment_request.c.failures)
        ).one_or_none()
        if row is not None:
            _tell(connection, "commitment.reported", row.transaction_uid, now, {"failed": len(row.failures or {})})


def hand_over(engine: sa.Engine, key: int, now: datetime) -> None:
    """The caller's association cannot carry the report (any more): another one is to, at once."""
    with write(engine) as connection:
        connection.execute(
            commitment_request.update()
            .where(commitment_request.c.id == key, commitment_request.c.state == ReportState.WAITING)
            .values(not_before=now)
        )


def _tell(
    connection: sa.Connection, what: str, transaction_uid: str, now: datetime, details: dict[str, str | int | None]
) -> None:
    record(
        connection,
        [Event(at=now, who="listener", what=what, kind="commitment", key=transaction_uid, details=details)],
    )
