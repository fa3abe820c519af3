"""`predict`: one task on files, without a node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.exits import FAILED, USAGE, CommandFailed
from node.cli.options import ConfigOption, FilesArgument, JsonOption, files_in, settings_of
from node.cli.output import print_json, print_table

if TYPE_CHECKING:
    from integration.pixels import SourceImage
    from models.engine import Engine
    from models.findings import Finding, TaskIdentity
    from node.config import Settings

SCHEMA: Final = 1
ROUTE: Final = "predict"  # stands for the route in the identity that result UIDs are derived from
PICTURES: Final = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answer:
    """What the task said of one file, or why it could not be asked."""

    path: Path
    image: SourceImage | None = None
    findings: tuple[Finding, ...] = ()
    results: tuple[Path, ...] = ()
    code: str = ""
    reason: str = ""


def predict(
    task: Annotated[str, typer.Argument(help="Task, from `models list`.")],
    files: FilesArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for SEG, SR and SC; of PNG and JPEG for processed pictures."),
    ] = None,
    as_json: JsonOption = False,
    pixel_spacing: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="ROW COL", help="Distance of rows and of columns in mm, for PNG and JPEG."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run a task on DICOM, PNG or JPEG files and print what it finds.

    A file that cannot be used does not stop the others: it is told (in JSON as a finding of kind "error", with the
    reason), and the exit code is 1.
    """
    settings = settings_of(config)
    if pixel_spacing is not None and min(pixel_spacing) <= 0:
        raise CommandFailed("--pixel-spacing takes two numbers above zero, in mm", USAGE)
    paths = files_in(files)
    engine, identity = _engine(task, settings)
    answers = [_answer(path, engine, identity, (settings, output, pixel_spacing)) for path in paths]
    if as_json:
        inputs = [_document(answer) for answer in answers]
        print_json({"schema": SCHEMA, "task": task, "package_digest": identity.digest, "inputs": inputs})
    else:
        _show(answers)
    raise typer.Exit(FAILED if any(answer.code for answer in answers) else 0)


def _engine(task: str, settings: Settings) -> tuple[Engine, TaskIdentity]:
    from node.installed import installed
    from node.worker import engine_of

    packages, _ = installed(settings)
    identity = next((each.identity for each in packages if each.identity.task == task), None)
    if identity is None:
        known = ", ".join(each.identity.task for each in packages) or "none"
        raise CommandFailed(f"no task package is called '{task}'; there are: {known}", USAGE)
    if identity.trial:
        typer.echo(f"{task} is a trial, nobody should rely on it: {identity.trial}", err=True)
    return engine_of(packages, settings.models, likely=settings.results.segmentation == "fractional"), identity


def _answer(
    path: Path,
    engine: Engine,
    identity: TaskIdentity,
    how: tuple[Settings, Path | None, tuple[float, float] | None],
) -> _Answer:
    from integration.pixels import in_physical_units, open_image, open_picture
    from node.worker import failure_of, frame_inputs

    settings, output, spacing = how
    try:
        with path.open("rb") as file:
            picture = any(file.read(4).startswith(magic) for magic in PICTURES)
        image = open_picture(path, spacing) if picture else open_image(path)
        found = engine.run(identity.task, _watched(frame_inputs(image), path))
        findings = in_physical_units(found.findings, image.calibration)
        results: tuple[Path, ...] = ()
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            results = (
                _pictures(path, findings, output)
                if picture
                else _written(path, image, findings, identity, (settings, output))
            )
    except Exception as error:  # noqa: BLE001 - the worker's judgement: every failure belongs to its file alone
        failure = failure_of(error)
        return _Answer(path=path, code=failure.code, reason=failure.words)
    return _Answer(path=path, image=image, findings=findings, results=results)


def _watched(frames: Iterator[Any], path: Path) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(path.name)
        for frame in frames:
            progress.update(bar, description=f"{path.name}, frame {frame.frame}")
            yield frame


def _written(
    path: Path,
    image: SourceImage,
    findings: tuple[Finding, ...],
    identity: TaskIdentity,
    where: tuple[Settings, Path],
) -> tuple[Path, ...]:
    from integration.results import ResultRequest, write_results
    from node.jobs import job_identity
    from node.worker import result_options

    settings, output = where
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    request = ResultRequest(
        source=image,
        findings=findings,
        task=identity,
        job_identity=job_identity(inputs_digest=digest, package_digest=identity.digest, route_digest=ROUTE),
        revision_number=1,
        created_at=datetime.now(UTC),
        options=result_options(settings),
    )
    return tuple(written.path for written in write_results(request, output))


def _pictures(path: Path, findings: tuple[Finding, ...], output: Path) -> tuple[Path, ...]:
    """Processed pictures of a file that is no DICOM, as PNG."""
    from PIL import Image

    from models.findings import EnhancedImage

    written = []
    for finding in findings:
        if isinstance(finding, EnhancedImage):
            written.append(output / f"{path.stem}-{finding.name.replace(' ', '-')}.png")
            Image.fromarray(finding.pixels).save(written[-1])
    return tuple(written)


def _document(answer: _Answer) -> dict[str, Any]:
    from models.findings_json import finding_to_json

    document: dict[str, Any] = {"file": str(answer.path)}
    if answer.image is None:
        return {**document, "findings": [{"kind": "error", "name": answer.code, "reason": answer.reason}]}
    if answer.image.sop_instance_uid:
        document["sop_instance_uid"] = answer.image.sop_instance_uid
    document["frames"] = answer.image.number_of_frames
    document["findings"] = [finding_to_json(finding) for finding in answer.findings]
    return document


def _show(answers: list[_Answer]) -> None:
    from node.cli.predict_rows import COLUMNS, rows_of

    rows: list[tuple[str, ...]] = []
    for answer in answers:
        if answer.code:
            typer.echo(f"{answer.path}: {answer.reason}", err=True)
        rows += [(answer.path.name, *row) for row in rows_of(answer.findings)]
    if rows:
        print_table(("file", *COLUMNS), rows)
    for answer in answers:
        for path in answer.results:
            typer.echo(f"written: {path}")
