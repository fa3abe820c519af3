"""`jobs`: the queue of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from node.cli.exits import USAGE, CommandFailed
from node.cli.options import ConfigOption, JsonOption, database_of, settings_of
from node.cli.output import ago, print_json, print_table

group = typer.Typer(help="List, retry and cancel jobs.", no_args_is_help=True)
WHO = "command line"

IdsArgument = Annotated[list[int], typer.Argument(metavar="ID…", help="Numbers from `jobs list`.")]


@group.command("list")
def list_(
    config: ConfigOption = None,
    state: Annotated[str | None, typer.Option(help="ready, leased, done, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most jobs.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first, with the reason where one failed."""
    from node.db import JobState, read
    from node.jobs import list_jobs
    from node.overview import job_document

    if state is not None and state not in set(JobState):
        raise CommandFailed(f"there is no state '{state}'; there are {', '.join(JobState)}", USAGE)
    with database_of(settings_of(config)) as engine, read(engine) as connection:
        found = list_jobs(connection, state=None if state is None else JobState(state), limit=limit)
    if as_json:
        print_json({"jobs": [job_document(each) for each in found]})
        return
    print_table(
        ("job", "task", "route", "state", "attempt", "made", "study", "why"),
        [
            (
                str(job.id),
                job.task,
                job.route,
                job.state.value,
                str(job.attempt),
                ago(job.created_at),
                job.study_uid,
                job.error or "",
            )
            for job in found
        ],
    )


@group.command("show")
def show(
    job: Annotated[int, typer.Argument(help="Number from `jobs list`.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job with its results, deliveries and history."""
    from node.db import read
    from node.jobs import list_deliveries, list_events, list_jobs
    from node.jobs.queue import results_in
    from node.overview import delivery_document, job_document, result_document

    with database_of(settings_of(config)) as engine, read(engine) as connection:
        found = next((each for each in list_jobs(connection, limit=1_000_000) if each.id == job), None)
        if found is None:
            raise CommandFailed(f"there is no job {job}")
        results = results_in(connection, [job])
        deliveries = list_deliveries(connection, jobs=(job,))
        past = list_events(connection, kind="job", key=job)
    document = {
        **job_document(found),
        "results": [result_document(each) for each in results],
        "deliveries": [delivery_document(each) for each in deliveries],
        "events": [{"at": each.at.isoformat(), "who": each.who, "what": each.what, **each.details} for each in past],
    }
    if as_json:
        print_json(document)
        return
    plain = [(key, str(value)) for key, value in document.items() if not isinstance(value, list) and value is not None]
    print_table(("job", ""), plain)
    if results:
        print_table(("result", "role", "file"), [(str(each.id), each.role, each.path) for each in results])
    print_table(
        ("when", "what", "who"), [(each.at.isoformat(timespec="seconds"), each.what, each.who) for each in past]
    )


@group.command("retry")
def retry_(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Put failed or cancelled jobs back into the queue, with all their attempts ahead."""
    from node.jobs import retry
    from node.roles import WORKER
    from node.wake import Wake

    settings = settings_of(config)
    with database_of(settings) as engine:
        for each in ids:
            retry(engine, each, who=WHO, now=datetime.now(UTC))
            typer.echo(f"job {each} is in the queue again")
    with Wake(settings.data_dir) as wake:
        wake.ring(WORKER)


@group.command("cancel")
def cancel_(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Cancel jobs that wait or run; a running one stops at its next heartbeat."""
    from node.jobs import cancel

    with database_of(settings_of(config)) as engine:
        for each in ids:
            cancel(engine, each, who=WHO, now=datetime.now(UTC))
            typer.echo(f"job {each} is cancelled")
