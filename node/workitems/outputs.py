"""What came of a work item's jobs: results, where they were accepted, and why jobs failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from pydicom.sr.coding import Code as DicomCode

from integration.dicomweb.performed import (
    BADLY_FORMATTED,
    EQUIPMENT_FAILURE,
    NOT_SUPPORTED,
    SET_INCOMPLETE,
    UNSPECIFIED,
    Output,
)
from node.config import DicomwebPeer, DimsePeer, Peer
from node.db import DeliveryState, JobState
from node.db.tables import delivery, job, result, workitem_job

ACCEPTED: Final = (DeliveryState.ACCEPTED, DeliveryState.COMMITTED)
WAITING: Final = (DeliveryState.READY, DeliveryState.LEASED)

# Discontinuation reasons by the code of a job's error, the first that it begins with.
_REASONS: Final = (
    ("pixels.not-an-image", NOT_SUPPORTED),
    ("pixels.no-pixel-data", NOT_SUPPORTED),
    ("pixels.unsupported", NOT_SUPPORTED),
    ("pixels.", BADLY_FORMATTED),
    ("worker.input_missing", SET_INCOMPLETE),
    ("worker.package_changed", EQUIPMENT_FAILURE),
    ("worker.out_of_memory", EQUIPMENT_FAILURE),
    ("worker.os_error", EQUIPMENT_FAILURE),
    ("lease_expired", EQUIPMENT_FAILURE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The results of a work item."""

    outputs: tuple[Output, ...]
    waiting: int  # deliveries that are neither accepted nor given up
    given_up: int  # deliveries
    nowhere: int  # results of which all deliveries were given up


def made_for(connection: sa.Connection, uid: str, peers: Mapping[str, Peer]) -> Made:
    """The results of a work item's jobs that are done, each with the peers that it can be had from."""
    rows = connection.execute(
        sa.select(
            result,
            delivery.c.destination,
            delivery.c.state.label("delivery_state"),
            delivery.c.sent_sop_class,
            delivery.c.sent_sop_instance_uid,
        )
        .select_from(
            workitem_job.join(result, result.c.job_id == workitem_job.c.job_id).outerjoin(
                delivery, delivery.c.result_id == result.c.id
            )
        )
        .where(workitem_job.c.workitem_uid == uid)
        .order_by(result.c.id, delivery.c.id)
    ).all()
    where: dict[tuple[str, str, str, str], list[Peer]] = {}
    lost: dict[int, bool] = {}
    for row in rows:
        taken = row.delivery_state in ACCEPTED
        # A peer may have got a simpler object than the result, with a UID of its own.
        sop_class = (taken and row.sent_sop_class) or row.sop_class
        instance = (taken and row.sent_sop_instance_uid) or row.sop_instance_uid
        accepting = where.setdefault((sop_class, instance, row.study_uid, row.series_uid), [])
        if taken and row.destination in peers:
            accepting.append(peers[row.destination])
        if row.destination is not None:
            lost[row.id] = lost.get(row.id, True) and row.delivery_state == DeliveryState.FAILED
    return Made(
        outputs=tuple(
            Output(
                sop_class=sop_class,
                sop_instance=instance,
                study=study,
                series=series,
                retrieve_from=tuple(peer.ae_title for peer in accepting if isinstance(peer, DimsePeer)),
                services=tuple(peer.url for peer in accepting if isinstance(peer, DicomwebPeer)),
            )
            for (sop_class, instance, study, series), accepting in where.items()
        ),
        waiting=sum(row.delivery_state in WAITING for row in rows),
        given_up=sum(row.delivery_state == DeliveryState.FAILED for row in rows),
        nowhere=sum(lost.values()),
    )


def why_not_done(connection: sa.Connection, uid: str) -> tuple[DicomCode, str]:
    """Why jobs of a work item ended without results: a discontinuation reason, and words."""
    rows = connection.execute(
        sa.select(job.c.state, job.c.error_code, job.c.error)
        .join_from(workitem_job, job, workitem_job.c.job_id == job.c.id)
        .where(workitem_job.c.workitem_uid == uid)
        .order_by(job.c.id)
    ).all()
    failed = [row for row in rows if row.state == JobState.FAILED]
    cancelled = [row for row in rows if row.state == JobState.CANCELLED]
    words = [f"{len(failed)} of {len(rows)} images failed: {failed[0].error}"] if failed else []
    words += [f"{len(cancelled)} of {len(rows)} jobs were cancelled"] if cancelled else []
    return reason_of(failed[0].error_code if failed else None), "; ".join(words)


def reason_of(error_code: str | None) -> DicomCode:
    """The discontinuation reason (CID 9300) that a job's error comes nearest to."""
    return next((reason for start, reason in _REASONS if (error_code or "").startswith(start)), UNSPECIFIED)
