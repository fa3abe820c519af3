"""`pull`: studies of a source into this node, as if they had been sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.exits import FAILED, USAGE, CommandFailed
from node.cli.options import ConfigOption, JsonOption, settings_of
from node.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from integration.retrieval import RemoteStudy, Wanted
    from node.config import Settings
    from node.pulling import Outcome, Puller


class By(StrEnum):
    """How images come from a DIMSE source."""

    GET = "get"
    MOVE = "move"


def pull(  # noqa: PLR0913 - each is an option of the command
    source: Annotated[str, typer.Argument(help="Name of a peer of the configuration.")],
    patient_id: Annotated[str, typer.Option("--patient-id", help="Patient ID; * and ? stand for any letters.")] = "",
    study_uid: Annotated[
        list[str] | None, typer.Option("--study-uid", help="Study Instance UID; may be given again.")
    ] = None,
    accession: Annotated[str, typer.Option("--accession", help="Accession Number.")] = "",
    date: Annotated[str, typer.Option("--date", metavar="FROM..TO", help="Study Date, both inclusive.")] = "",
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Fetch only series of this modality; may be given again.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEYWORD=VALUE", help="A further key by DICOM keyword; may be given again."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most studies.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be fetched.")] = False,
    by: Annotated[By | None, typer.Option(help="C-GET or C-MOVE, instead of what the peer's `retrieve` says.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch studies from a PACS; what the node has already is not fetched again, and again goes on where it stopped."""
    from node.pulling import Asked, queries, remote_of

    asked = Asked(
        patient_id=patient_id,
        studies=tuple(study_uid or ()),
        accession=accession,
        days=date,
        modalities=tuple(modality or ()),
        where=_pairs(where or ()),
    )
    wanted, settings = queries(asked), settings_of(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's have attribute values in them
        remote = remote_of(settings, source, None if by is None else by.value)
        with _puller(settings, source, remote) as (puller, bytes_taken, own):
            studies, more = puller.found(wanted, limit)
            outcomes, stopped = _outcomes(puller, studies, wanted[0], dry_run=dry_run, quiet=as_json)
            if not dry_run:
                own([each.study.uid for each in outcomes if each.here])
    failed = stopped or any(outcome.state in ("incomplete", "failed") for outcome in outcomes)
    if as_json:
        document = {"source": source, "by": remote.way, "dry_run": dry_run, "interrupted": stopped, "more": more}
        totals = {"fetched": sum(each.fetched for each in outcomes), "bytes": bytes_taken()}
        print_json({**document, **totals, "studies": [_document(each, dry_run=dry_run) for each in outcomes]})
    else:
        _show(outcomes, source, remote.way, dry_run=dry_run)
        if more:
            typer.echo(f"more studies match than --limit {limit}: raise it, or ask for less", err=True)
        if stopped:
            typer.echo("interrupted; the same command fetches what is missing", err=True)
    raise typer.Exit(FAILED if failed else 0)


def _pairs(words: Any) -> dict[str, str]:  # noqa: ANN401 - a list of words
    pairs = {}
    for word in words:
        keyword, equals, value = word.partition("=")
        if not equals or not keyword:
            raise CommandFailed(f"--where {word} is not KEYWORD=VALUE, such as StudyDescription=*OB*", USAGE)
        pairs[keyword] = value
    return pairs


@contextmanager
def _puller(
    settings: Settings,
    source: str,
    remote: Any,  # noqa: ANN401 - imported when wanted
) -> Iterator[tuple[Puller, Callable[[], int], Callable[[list[str]], None]]]:
    """What pulls, how many bytes came, and what makes studies that are here as priors studies like any other."""
    from datetime import UTC, datetime

    from node.archive import Archive
    from node.db import connect, migrate, write
    from node.pulling import ArchiveKeeper, Holdings, Puller, sender_of
    from node.roles import SCHEDULER
    from node.studies import release_prior
    from node.wake import Wake

    taken = [0]

    def took(count: int) -> None:
        taken[0] += count

    archive, engine = Archive(settings.archive_dir, settings.node.min_free_bytes), connect(settings.database)
    try:
        migrate(engine)
        keeper = ArchiveKeeper(archive, settings, sender_of(settings, source), took)
        with Wake(settings.data_dir) as wake:

            def own(uids: list[str]) -> None:
                now = datetime.now(UTC)
                for uid in uids:
                    with write(engine) as connection:
                        release_prior(connection, uid, now, now)
                wake.ring(SCHEDULER)

            puller = Puller(remote, Holdings(archive, engine), keeper, lambda: wake.ring(SCHEDULER))
            yield puller, lambda: taken[0], own
    finally:
        engine.dispose()
        archive.close()


def _outcomes(
    puller: Puller, studies: list[RemoteStudy], wanted: Wanted, *, dry_run: bool, quiet: bool
) -> tuple[list[Outcome], bool]:
    """What became of each study, and whether the user ended it."""
    outcomes: list[Outcome] = []
    with _progress(quiet) as progress:
        bar = progress.add_task("looking" if dry_run else "fetching", total=None)

        def told(came: int, of: int) -> None:
            progress.update(bar, completed=came, total=of)

        try:
            for outcome in puller.look(studies, wanted) if dry_run else puller.pull(studies, wanted, told):
                outcomes.append(outcome)
                progress.update(bar, description=f"study {min(len(outcomes) + 1, len(studies))} of {len(studies)}")
        except KeyboardInterrupt:
            return outcomes, True
    return outcomes, False


def _progress(quiet: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)


def _show(outcomes: list[Outcome], source: str, way: str, *, dry_run: bool) -> None:
    if not outcomes:
        typer.echo(f"no study of {source} matches")
        return
    rows = [
        (
            each.study.uid,
            each.study.date or "–",
            ", ".join(each.modalities) or "–",
            str(each.instances),
            str(each.here),
            str(len(each.missing) if dry_run else each.fetched),
            "" if dry_run else str(len(each.missing)),
            each.state.value + (f": {each.reason}" if each.reason else ""),
        )
        for each in outcomes
    ]
    columns = ("study", "date", "modality", "images", "here", "to fetch" if dry_run else "fetched", "missing", "state")
    print_table(columns, rows)
    if dry_run:
        typer.echo(f"{_counted([len(each.missing) for each in outcomes])} would be fetched from {source} by {way}")
        return
    for each in outcomes:
        for uid in each.missing:
            typer.echo(f"missing of study {each.study.uid}: {uid}", err=True)
    typer.echo(f"{_counted([each.fetched for each in outcomes])} fetched from {source} by {way}")


def _counted(images: list[int]) -> str:
    """Of each study."""
    total, studies = sum(images), len(images)
    return f"{total} image{'s' * (total != 1)} of {studies} stud{'y' if studies == 1 else 'ies'}"


def _document(outcome: Outcome, *, dry_run: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "study_instance_uid": outcome.study.uid,
        "study_date": outcome.study.date,
        "modalities": list(outcome.modalities),
        "state": outcome.state.value,
        "instances": outcome.instances,
        "here": outcome.here,
        "fetched": outcome.fetched,
        "to_fetch" if dry_run else "missing": list(outcome.missing),
    }
    if outcome.reason:
        document["reason"] = outcome.reason
    return document
