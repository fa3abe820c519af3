"""One job from its inputs to its written results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from integration.pixels import SourceImage, in_physical_units, open_image
from integration.results import Predecessor, ResultObject, ResultRequest, write_results
from models.engine import FrameInput, JobCancelled, TaskFindings
from models.engine import Priority as EnginePriority
from models.findings import TaskIdentity
from node.archive.durable import make_folders
from node.config import Settings
from node.db import read
from node.jobs import Job, NewResult, Result, inputs_of, predecessor_results
from node.jobs.looks import Saw
from node.looking import NOBODY, Lookers
from node.studies import StoredInstance, instances_of
from node.worker.errors import InputMissing, JobStopped, PackageChanged
from node.worker.frames import Frame, decoded_ahead
from node.worker.options import result_options
from node.worker.patient import PatientCheck

STOPPED: Final = "the job was cancelled, or its lease was lost"


class TaskEngine(Protocol):
    """The part of `models.engine.Engine` that jobs need."""

    def run(
        self, task: str, frames: Iterator[FrameInput], *, priority: EnginePriority, cancelled: Callable[[], bool]
    ) -> TaskFindings:
        """Look at frames, one after another, and say what is found."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runner:
    """What every job of a worker process shares."""

    settings: Settings
    database: sa.Engine
    engine: TaskEngine
    packages: Mapping[str, TaskIdentity]  # by task
    patients: PatientCheck
    lookers: Lookers = NOBODY

    def look(self, job: Job, cancelled: Callable[[], bool]) -> Saw:
        """Look at the middle frame of a job's one image before it is routed; raises as `run`."""
        self._check_package(job)
        looker = next(each for each in self.lookers.each if each.identity.task == job.task)
        (each,) = inputs_of(self.database, job.id)
        image = self._opened(each)
        middle = (image.number_of_frames + 1) // 2
        found = self._asked(job, frame_inputs(image, ((middle, image.frame(middle)),)), cancelled)
        return looker.saw(found.findings)

    def run(self, job: Job, cancelled: Callable[[], bool]) -> tuple[NewResult, ...]:
        """Compute and write a job's results; the files are whole and synced when this returns.

        Parameters
        ----------
        job
            As it was claimed.
        cancelled
            Asked between batches of frames.

        Raises
        ------
        JobStopped
            `cancelled` said so.
        PixelError, ResultError, WorkerError, OSError
            And whatever else goes wrong; the caller judges.
        """
        self._check_package(job)
        inputs = inputs_of(self.database, job.id)
        with read(self.database) as connection:
            revision = instances_of(connection, job.revision_id)
        self.patients.check(revision)
        results: list[NewResult] = []
        for each in inputs:
            results += self._run_on(job, each, cancelled)
        return tuple(results)

    def _run_on(self, job: Job, each: StoredInstance, cancelled: Callable[[], bool]) -> list[NewResult]:
        image = self._opened(each)
        found = self._asked(job, frame_inputs(image), cancelled)
        if job.claimed_first_at is None:
            raise ValueError("a claimed job has the time of its first claim")
        replaced = predecessor_results(self.database, job, each.id)
        request = ResultRequest(
            source=image,
            findings=in_physical_units(found.findings, image.calibration),
            task=found.identity,
            job_identity=job.identity,
            revision_number=job.revision_number,
            predecessor=tuple(map(_as_predecessor, replaced)) or None,
            predecessor_files=tuple(self.settings.results_dir / one.path for one in replaced),
            created_at=job.claimed_first_at,
            options=result_options(self.settings, job.route),
        )
        folder = self.settings.results_dir / job.identity
        make_folders(folder)
        return [_row(written, self.settings.results_dir) for written in write_results(request, folder)]

    def _opened(self, each: StoredInstance) -> SourceImage:
        path = self.settings.archive_dir / each.path
        if not path.is_file():
            raise InputMissing("the instance's file is not in the archive any more; send the study again, or reindex")
        return open_image(path)

    def _asked(self, job: Job, frames: Iterator[FrameInput], cancelled: Callable[[], bool]) -> TaskFindings:
        try:
            priority = EnginePriority[job.priority.name]
            found = self.engine.run(job.task, frames, priority=priority, cancelled=cancelled)
        except JobCancelled as error:
            raise JobStopped(STOPPED) from error
        if cancelled():
            raise JobStopped(STOPPED)
        return found

    def _check_package(self, job: Job) -> None:
        installed = self.packages.get(job.task)
        if installed is None or installed.digest.removeprefix("sha256:") != job.package_digest:
            raise PackageChanged(
                f"the job was made for another version of the task package {job.task!r} than is installed now; "
                "run `echocare-node reindex`, or send the study again, to make a new job"
            )


def _as_predecessor(one: Result) -> Predecessor:
    return (one.sop_class, one.sop_instance_uid, one.study_uid, one.series_uid)


def frame_inputs(image: SourceImage, frames: Iterable[Frame] | None = None) -> Iterator[FrameInput]:
    """Every view of these frames of an image, or of all, as the engine takes them."""
    shapes = [
        ((view.left, view.top, view.right, view.bottom), image.calibration.pixel_aspect(view)) for view in image.views
    ]
    for number, pixels in decoded_ahead(image) if frames is None else frames:
        for rectangle, aspect in shapes:
            yield FrameInput(pixels=pixels, frame=number, view=rectangle, pixel_aspect=aspect)


def _row(written: ResultObject, results: Path) -> NewResult:
    return NewResult(
        sop_instance_uid=written.sop_instance_uid,
        sop_class=written.sop_class_uid,
        study_uid=written.study_instance_uid,
        series_uid=written.series_instance_uid,
        role=written.role,
        path=written.path.relative_to(results).as_posix(),
        sha256=written.sha256,
    )
