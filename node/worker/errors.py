"""Why a job failed, in words, and whether another attempt can help.

::

    NodeError
    └── WorkerError
        ├── PatientDisagreement   instances of one study name different patients or studies
        ├── InputMissing          an instance's file is gone from the archive
        ├── PackageChanged        the job's task package is not installed any more
        └── JobStopped            the lease was lost or the job cancelled while it ran
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import ClassVar, Final

from node.errors import NodeError

FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


class WorkerError(NodeError):
    """Root of the errors of running a job."""

    code: ClassVar[str] = "worker"


class PatientDisagreement(WorkerError):
    """Instances of one study disagree about whose they are; nothing may be computed or reported until it is mended."""

    code: ClassVar[str] = "worker.patient_disagreement"


class InputMissing(WorkerError):
    """The file of an instance is not in the archive any more."""

    code: ClassVar[str] = "worker.input_missing"


class PackageChanged(WorkerError):
    """The job was made for a task package that is not installed here any more."""

    code: ClassVar[str] = "worker.package_changed"


class JobStopped(WorkerError):
    """The lease was lost or the job was cancelled; what was computed is thrown away."""

    code: ClassVar[str] = "worker.job_stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What to write down about a failed attempt."""

    code: str
    words: str  # without patient data
    retryable: bool
    expected: bool  # raised on purpose, with words fit for anybody


def failure_of(error: BaseException) -> Failure:
    """Judge what a job's attempt raised.

    Errors that carry `code` and `retryable` speak for themselves. Of others only the kind is told: their words may
    hold what the image's header holds.
    """
    code, retryable = getattr(error, "code", None), getattr(error, "retryable", None)
    if isinstance(code, str) and isinstance(retryable, bool):
        return Failure(code=code, words=str(error), retryable=retryable, expected=True)
    if isinstance(error, MemoryError):
        words = "there was not enough memory; fewer workers or more memory would help"
        return Failure(code="worker.out_of_memory", words=words, retryable=True, expected=True)
    if isinstance(error, OSError):
        kind = errno.errorcode.get(error.errno or 0, "unknown")
        words = "the disk is full" if error.errno in FULL else f"the operating system refused a file: {kind}"
        return Failure(code="worker.os_error", words=words, retryable=True, expected=True)
    return Failure(
        code="worker.unexpected",
        words=f"unexpected {type(error).__qualname__} {_place(error)}; the node's log has the traceback",
        retryable=True,
        expected=False,
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return "somewhere"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_globals.get('__name__', '?')}, line {trace.tb_lineno}"
