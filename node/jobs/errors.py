"""Errors of jobs and deliveries.

::

    NodeError
    └── JobError
        ├── LeaseLost        another worker has the work now, or it was cancelled
        ├── NotAllowed       the work's state does not allow this step
        ├── NotFound         no such job or delivery
        └── NotInRevision    a planned job names an instance outside its revision
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class JobError(NodeError):
    """Root of the errors about jobs and deliveries."""

    code: ClassVar[str] = "job"


class LeaseLost(JobError):
    """The lease ran out or the work was cancelled; whatever was computed is to be thrown away."""

    code: ClassVar[str] = "job.lease_lost"


class NotAllowed(JobError):
    """The state of a job or delivery does not allow the step that was asked for."""

    code: ClassVar[str] = "job.not_allowed"


class NotFound(JobError):
    """There is no job or delivery of that number."""

    code: ClassVar[str] = "job.not_found"


class NotInRevision(JobError):
    """A planned job names an instance that its revision does not hold."""

    code: ClassVar[str] = "job.not_in_revision"
