"""What `status`, `jobs`, `deliveries` and the HTTP interface answer: plain tables for JSON, nothing of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from node.jobs import Counts, Delivery, Job, Prior, Result, StudyDetail, StudyOverview
    from node.studies import Revision

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
State = TypeVar("State", bound=str)


def counts_document(totals: Counts) -> dict[str, Json]:
    """The totals of a node."""
    return {
        "instances": totals.instances,
        "studies": _states(totals.studies),
        "jobs": _states(totals.jobs),
        "deliveries": {destination: _states(states) for destination, states in totals.deliveries.items()},
        "oldest_ready_job_at": _time(totals.oldest_ready_job_at),
        "unrouted_revisions": totals.unrouted_revisions,
    }


def study_line(study: StudyOverview) -> dict[str, Json]:
    """One study of a list."""
    return {
        "study_instance_uid": study.uid,
        "state": study.state.value,
        "instances": study.instances,
        "conflicts": study.conflicts,
        "prior": study.prior,
        "revisions": study.revisions,
        "closed_by": None if study.closed_by is None else study.closed_by.value,
        "first_received_at": _time(study.first_received_at),
        "last_received_at": _time(study.last_received_at),
        "quiet_until": _time(study.quiet_until),
        "jobs": _states(study.jobs),
        "deliveries": _states(study.deliveries),
    }


def study_document(detail: StudyDetail) -> dict[str, Json]:
    """One study with everything that hangs on it."""
    return {
        **study_line(detail.overview),
        "revision_list": [revision_document(each) for each in detail.revisions],
        "job_list": [job_document(each) for each in detail.jobs],
        "results": [result_document(each) for each in detail.results],
        "delivery_list": [delivery_document(each) for each in detail.deliveries],
        "prior_list": [prior_document(each) for each in detail.priors],
    }


def prior_document(prior: Prior) -> dict[str, Json]:
    """One prior of a study."""
    return {
        "study_instance_uid": prior.study_uid,
        "source": prior.source,
        "state": prior.state.value,
        "reason": prior.reason,
    }


def revision_document(revision: Revision) -> dict[str, Json]:
    """One revision of a study."""
    return {
        "number": revision.number,
        "closed_by": revision.closed_by.value,
        "closed_at": _time(revision.closed_at),
        "conflict": revision.conflict,
        "routed": revision.routed_at is not None,
    }


def job_document(job: Job) -> dict[str, Json]:
    """One job."""
    return {
        "id": job.id,
        "study_instance_uid": job.study_uid,
        "revision": job.revision_number,
        "route": job.route,
        "task": job.task,
        "mode": job.mode.value,
        "priority": job.priority.value,
        "state": job.state.value,
        "attempt": job.attempt,
        "not_before": _time(job.not_before),
        "error_code": job.error_code,
        "error": job.error,
        "created_at": _time(job.created_at),
        "finished_at": _time(job.finished_at),
        "identity": job.identity,
        "package_digest": job.package_digest,
    }


def result_document(result: Result) -> dict[str, Json]:
    """One result object."""
    return {
        "id": result.id,
        "job": result.job_id,
        "role": result.role,
        "sop_class_uid": result.sop_class,
        "sop_instance_uid": result.sop_instance_uid,
        "series_instance_uid": result.series_uid,
        "path": result.path,
        "sha256": result.sha256,
    }


def delivery_document(delivery: Delivery) -> dict[str, Json]:
    """One result on its way to one destination."""
    return {
        "id": delivery.id,
        "job": delivery.job_id,
        "destination": delivery.destination,
        "role": delivery.role,
        "sop_instance_uid": delivery.sop_instance_uid,
        "state": delivery.state.value,
        "awaits_commitment": delivery.awaits_commitment,
        "attempt": delivery.attempt,
        "not_before": _time(delivery.not_before),
        "error_code": delivery.error_code,
        "error": delivery.error,
        "accepted_at": _time(delivery.accepted_at),
        "committed_at": _time(delivery.committed_at),
        "note": delivery.note,
        "sent_sop_class_uid": delivery.sent_sop_class,
        "sent_sop_instance_uid": delivery.sent_sop_instance_uid,
        "sent_transfer_syntax_uid": delivery.sent_transfer_syntax,
    }


def _states(states: Mapping[State, int]) -> dict[str, Json]:
    return {str(state): count for state, count in states.items()}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
