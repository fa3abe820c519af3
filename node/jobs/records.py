"""Jobs, results and deliveries as plain data: what goes into the queue and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom.uid import UID

from node.config import Mode, Priority
from node.db import DeliveryState, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job that routing wants: one route's task on the images that it selected."""

    route: str
    task: str
    package_digest: str
    route_digest: str  # `identity.route_digest`
    instance_ids: tuple[int, ...]  # StoredInstance.id, all of one revision
    mode: Mode = Mode.ACTIVE
    priority: Priority = Priority.ROUTINE
    send_to: tuple[str, ...] = ()  # names of peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stood when it was read."""

    id: int
    identity: str  # SHA-256, hexadecimal; result UIDs are derived from it
    study_uid: str
    revision_id: int
    revision_number: int
    route: str
    task: str
    package_digest: str
    mode: Mode
    priority: Priority
    send_to: tuple[str, ...]
    state: JobState
    claims: int  # claims ever
    attempt: int  # claims that count against max_attempts
    not_before: datetime
    lease_owner: str | None
    lease_until: datetime | None
    error_code: str | None
    error: str | None  # why the last attempt failed, in words
    created_at: datetime
    claimed_first_at: datetime | None  # goes into results as their time, so that a replay writes the same bytes
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    """A result object that a worker has written and synced."""

    sop_instance_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    role: str  # SEG, SR, SR-TEXT, SC, ENH
    path: str  # below the results folder
    sha256: str  # of the whole file


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(NewResult):
    """A row of the table of results."""

    id: int
    job_id: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AsSent:
    """What a destination really got, and what it said about it; None where that is the result as it lies on disk."""

    note: str | None = None  # what it remarked while accepting it
    sop_class: str | None = None  # of a simpler object that stands in for the result
    sop_instance_uid: str | None = None
    transfer_syntax: str | None = None


AS_IT_IS: Final = AsSent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One result on its way to one destination, with what is needed to send it."""

    id: int
    result_id: int
    job_id: int
    destination: str
    sop_instance_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    role: str
    path: str
    sha256: str
    state: DeliveryState
    claims: int
    attempt: int
    not_before: datetime
    lease_owner: str | None
    lease_until: datetime | None
    error_code: str | None
    error: str | None
    created_at: datetime
    accepted_at: datetime | None
    committed_at: datetime | None
    commit_due_at: datetime | None  # when the destination is asked (again) to commit to it; None: it is not asked
    note: str | None  # what the destination remarked while accepting it
    sent_sop_class: str | None  # of the simpler object that was sent instead; None: the result's own
    sent_sop_instance_uid: str | None
    sent_transfer_syntax: str | None  # None: that of the result's file

    @property
    def awaits_commitment(self) -> bool:
        """Whether the destination accepted it and has yet to commit to it."""
        return self.state is DeliveryState.ACCEPTED and self.commit_due_at is not None

    @property
    def state_words(self) -> str:
        """The state for people."""
        return "sent, not committed" if self.awaits_commitment else self.state.value

    @property
    def sent_words(self) -> str:
        """What was sent instead of the result as it lies on disk, for people; empty: nothing else."""
        return ", ".join(UID(uid).name for uid in (self.sent_sop_class, self.sent_transfer_syntax) if uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A delivery that its destination has accepted."""

    delivery: Delivery
    at: datetime  # when it answered
    sent: AsSent = AS_IT_IS
