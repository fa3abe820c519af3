"""`status`: what is where, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.exits import CommandFailed
from node.cli.options import ConfigOption, JsonOption, database_of, settings_of
from node.cli.output import ago, console, print_json, print_table, states

if TYPE_CHECKING:
    import sqlalchemy as sa

    from node.jobs import Counts, StudyDetail, StudyOverview

HASH_CHARACTERS = 12


def status(
    study: Annotated[str | None, typer.Argument(help="Study Instance UID, or its 12 digits from a log line.")] = None,
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most studies in the list.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show studies with their jobs and deliveries; or one study with everything that hangs on it."""
    from node.db import read
    from node.jobs import counts, studies_overview, study_detail
    from node.overview import counts_document, study_document, study_line

    with database_of(settings_of(config)) as engine, read(engine) as connection:
        if study is not None:
            detail = study_detail(connection, resolved(connection, study))
            if detail is None:
                raise CommandFailed("nothing of that study was received; check its Study Instance UID")
            if as_json:
                print_json(study_document(detail))
            else:
                _show_study(detail)
            return
        totals, newest = counts(connection), studies_overview(connection, limit=limit)
    if as_json:
        print_json({**counts_document(totals), "newest_studies": [study_line(each) for each in newest]})
    else:
        _show_all(totals, newest)


def resolved(connection: sa.Connection, study: str) -> str:
    """The UID for what was given: itself, or the study whose hash in the logs it is."""
    import sqlalchemy as sa

    from node.db import tables
    from node.logs import hashed

    if len(study) != HASH_CHARACTERS or "." in study:
        return study
    uids = connection.execute(sa.select(tables.study.c.uid)).scalars()
    return next((uid for uid in uids if hashed(uid) == study.lower()), study)


def _show_all(totals: Counts, newest: tuple[StudyOverview, ...]) -> None:
    out = console()
    out.print(f"instances   {totals.instances}")
    out.print(f"studies     {states(totals.studies)}")
    out.print(f"jobs        {states(totals.jobs)}")
    for destination, counted in sorted(totals.deliveries.items()):
        out.print(f"to {destination:<9}{states(counted)}")
    if not totals.deliveries:
        out.print("deliveries  –")
    if not newest:
        return
    rows = [
        (
            each.uid,
            each.state.value + (f" by {each.closed_by}" if each.closed_by else ""),
            f"{each.instances}" + (f" (+{each.conflicts} in conflict)" if each.conflicts else ""),
            str(each.revisions),
            states(each.jobs),
            states(each.deliveries),
            ago(each.last_received_at),
        )
        for each in newest
    ]
    columns = ("study", "state", "instances", "revisions", "jobs", "deliveries", "last received")
    print_table(columns, rows, on=out)


def _show_study(detail: StudyDetail) -> None:
    out, study = console(), detail.overview
    out.print(f"study      {study.uid}", soft_wrap=True)
    out.print(
        f"state      {study.state.value}, {study.instances} instances, last received {ago(study.last_received_at)}"
    )
    if study.conflicts:
        out.print(
            f"conflict   {study.conflicts} instances came with other bytes under a UID that was known; kept, unused"
        )
    if study.prior:
        out.print("prior      it was fetched for another study; routes see it when it is sent or pulled by itself")
    for prior in detail.priors:
        why = f": {prior.reason}" if prior.reason else ""
        out.print(f"prior      {prior.study_uid} from {prior.source}, {prior.state.value}{why}", soft_wrap=True)
    if detail.revisions:
        rows = [(str(each.number), each.closed_by.value, ago(each.closed_at)) for each in detail.revisions]
        print_table(("revision", "closed by", "when"), rows, on=out)
    if detail.jobs:
        print_table(
            ("job", "revision", "route", "task", "state", "attempt", "why"),
            [
                (
                    str(job.id),
                    str(job.revision_number),
                    job.route,
                    job.task + (" (shadow)" if job.mode == "shadow" else ""),
                    job.state.value,
                    str(job.attempt),
                    job.error or "",
                )
                for job in reversed(detail.jobs)
            ],
            on=out,
        )
    if detail.deliveries:
        print_table(
            ("delivery", "job", "role", "to", "state", "attempt", "why"),
            [
                (
                    str(each.id),
                    str(each.job_id),
                    each.role,
                    each.destination,
                    each.state.value,
                    str(each.attempt),
                    each.error or "",
                )
                for each in reversed(detail.deliveries)
            ],
            on=out,
        )
