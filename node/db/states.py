"""The closed sets of words that the tables hold."""

from __future__ import annotations

from enum import StrEnum


class StudyState(StrEnum):
    """Whether we believe that the exam is complete."""

    OPEN = "open"
    CLOSED = "closed"


class Signal(StrEnum):
    """What made us believe that an exam is complete, strongest first."""

    MPPS = "mpps"  # N-SET COMPLETED naming the instances
    IAN = "ian"  # Instance Availability Notification
    COMMITMENT = "commitment"  # a storage commitment request naming the instances
    API = "api"  # a call of the HTTP interface or of the command line
    QUIET = "quiet"  # nothing came for study_quiet_s

    @property
    def strength(self) -> int:
        """Larger is stronger."""
        return -list(Signal).index(self)


class JobState(StrEnum):
    """Where a job is on its way."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """Where a delivery is on its way."""

    READY = "ready"
    LEASED = "leased"
    ACCEPTED = "accepted"  # the destination answered Success
    COMMITTED = "committed"  # the destination took responsibility for safekeeping
    FAILED = "failed"


class StepState(StrEnum):
    """How a modality's performed procedure step stands."""

    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"


class ReportState(StrEnum):
    """Whether a peer that asked for storage commitment has its report."""

    WAITING = "waiting"
    REPORTED = "reported"
    FAILED = "failed"  # given up: it cannot be reached


class PriorState(StrEnum):
    """How an older study stands that a route asks for."""

    FETCHING = "fetching"
    FETCHED = "fetched"  # nobody has looked yet whose it is
    HERE = "here"  # of the same patient
    REFUSED = "refused"  # of another one
    FAILED = "failed"  # nothing of it came


class WorkitemState(StrEnum):
    """Where a work item (Unified Procedure Step) is on its way (PS3.4 Table CC.1.1-1)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
