"""The demo's table: what the reports say beside what is true of the phantoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from integration.phantom import HeadTruth, MassTruth, SampleInstance, SampleStudy
    from node.cli.reported import Reported
    from node.config import Settings
    from node.jobs import StudyDetail

SAID_OF_MEASURES: Final = {
    "circumference": "hc_mm",
    "biparietal": "bpd_mm",
    "occipit": "ofd_mm",
    "short": "perpendicular_mm",
    "perpendicular": "perpendicular_mm",
    "long": "longest_mm",
}
BESIDE: Final = frozenset({"Certainty of Finding", "Probability"})  # said beside a finding that is shown
COMMENT_NAME: Final = "Comment"
EXPECTED: Final = {
    "fetal head": ("fetal-head", ("hc_mm",)),
    "breast": ("breast-lesion", ("longest_mm", "perpendicular_mm")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line of one task's report on one file."""

    subject: str  # which file of the sample
    task: str
    line: Reported
    measure: str | None  # the truth's attribute that it says, such as hc_mm
    truth: float | None  # mm


def answers_of(settings: Settings, sample: SampleStudy, detail: StudyDetail) -> tuple[Answer, ...]:
    """What the report files of a study say, file by file."""
    from pydicom import dcmread

    from node.cli.reported import read_report

    by_uid = {instance.sop_instance_uid: instance for instance in sample.instances}
    tasks = {job.id: job.task for job in detail.jobs}
    found: list[Answer] = []
    for result in detail.results:
        if not result.role.startswith("SR"):
            continue
        path = settings.results_dir / result.path
        header = dcmread(path, specific_tags=["CurrentRequestedProcedureEvidenceSequence"])
        series = header.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
        instance = by_uid.get(str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))
        if instance is not None:
            found += _answers(instance, tasks[result.job_id], read_report(path))
    order = [instance.subject for instance in sample.instances]
    return tuple(sorted(found, key=lambda answer: (order.index(answer.subject), answer.task)))


def _answers(instance: SampleInstance, task: str, lines: tuple[Reported, ...]) -> Iterator[Answer]:
    expected = next(task for subject, (task, _) in EXPECTED.items() if instance.subject.startswith(subject))
    for line in lines:
        measure = _measure(line.name) if task == expected and line.value is not None else None
        truth = None if measure is None else _true(instance.truths[(line.frame or 1) - 1], measure)
        yield Answer(subject=instance.subject, task=task, line=line, measure=measure, truth=truth)


def _measure(name: str) -> str | None:
    return next((measure for part, measure in SAID_OF_MEASURES.items() if part in name.lower()), None)


def _true(truth: HeadTruth | MassTruth, measure: str) -> float | None:
    return getattr(truth, measure, None)


def show_answers(answers: tuple[Answer, ...], out: Console) -> None:
    """Print what was found as a table, and below it where a task said nothing, and why."""
    rows = []
    silent = []
    for answer in answers:
        line = answer.line
        if line.name in BESIDE:
            continue
        if line.name == COMMENT_NAME:
            silent.append(f"  {answer.task} on {answer.subject}: {line.words}")
            continue
        value = line.words if line.value is None else f"{line.value:.4g} {'' if line.unit == '1' else line.unit}"
        truth = "" if answer.truth is None or line.value is None else _beside(line, answer.truth)
        frame = "" if line.frame is None else str(line.frame)
        rows.append((answer.subject, frame, answer.task, line.name, value, truth))
    print_table(("file", "frame", "task", "finding", "value", "truth of the phantom"), rows, on=out)
    if silent:
        out.print("Silent, with the reason in a report of its own:")
        for words in dict.fromkeys(silent):
            out.print(words, markup=False, soft_wrap=True)


def _beside(line: Reported, truth: float) -> str:
    if line.unit != "mm" or line.value is None:
        return f"{truth:.1f} mm"
    return f"{truth:.1f} mm ({100 * (line.value - truth) / truth:+.1f} %)"


def faults_of(answers: tuple[Answer, ...], sample: SampleStudy, detail: StudyDetail) -> list[str]:
    """What is missing from the results, in words; empty when all is there."""
    faults = [f"job {job.id} ({job.task}) {job.state.value}: {job.error}" for job in detail.jobs if job.state != "done"]
    faults += [
        f"the {each.role} for {each.destination} is {each.state.value}: {each.error}"
        for each in detail.deliveries
        if each.state not in ("accepted", "committed")
    ]
    for instance in sample.instances:
        task, measures = next(wanted for subject, wanted in EXPECTED.items() if instance.subject.startswith(subject))
        said = {
            answer.measure
            for answer in answers
            if answer.subject == instance.subject and answer.task == task and answer.line.unit == "mm"
        }
        faults += [
            f"{instance.subject}: {task} gave no {measure.removesuffix('_mm')} in mm"
            for measure in measures
            if measure not in said
        ]
    return faults
