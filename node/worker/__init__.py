"""The worker: from a claimed job to written results."""

from node.worker.errors import (
    InputMissing,
    JobStopped,
    PackageChanged,
    PatientDisagreement,
    WorkerError,
    failure_of,
)
from node.worker.options import result_options
from node.worker.patient import PatientCheck
from node.worker.resident import engine_of
from node.worker.running import Runner, frame_inputs
from node.worker.worker import Worker, run_worker

__all__ = [
    "InputMissing",
    "JobStopped",
    "PackageChanged",
    "PatientCheck",
    "PatientDisagreement",
    "Runner",
    "Worker",
    "WorkerError",
    "engine_of",
    "failure_of",
    "frame_inputs",
    "result_options",
    "run_worker",
]
