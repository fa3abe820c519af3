"""`deliveries`: results on their way to destinations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.exits import USAGE, CommandFailed
from node.cli.jobs import WHO, IdsArgument
from node.cli.options import ConfigOption, JsonOption, database_of, settings_of
from node.cli.output import ago, print_json, print_table

if TYPE_CHECKING:
    from node.jobs import Delivery

group = typer.Typer(help="List and retry deliveries.", no_args_is_help=True)


@group.command("list")
def list_(
    config: ConfigOption = None,
    state: Annotated[str | None, typer.Option(help="ready, leased, accepted, committed or failed.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Only to this peer.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most deliveries.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, newest first, with the reason where one waits or failed."""
    from node.db import DeliveryState, read
    from node.jobs import list_deliveries
    from node.overview import delivery_document

    if state is not None and state not in set(DeliveryState):
        raise CommandFailed(f"there is no state '{state}'; there are {', '.join(DeliveryState)}", USAGE)
    wanted = None if state is None else DeliveryState(state)
    settings = settings_of(config)
    with database_of(settings) as engine, read(engine) as connection:
        found = list_deliveries(connection, state=wanted, destination=to, limit=limit)
    if as_json:
        print_json({"deliveries": [delivery_document(each) for each in found]})
        return
    from node.outbox import opens_at

    now = datetime.now(UTC)
    opens = {name: opens_at(settings, name, now) for name in {each.destination for each in found}}
    print_table(
        ("delivery", "job", "role", "to", "state", "attempt", "next attempt", "why, remarks"),
        [
            (
                str(each.id),
                str(each.job_id),
                each.role,
                each.destination,
                each.state_words,
                str(each.attempt),
                ago(max(each.not_before, opens[each.destination])) if each.state == "ready" else "–",
                _words(each),
            )
            for each in found
        ],
    )


def _words(each: Delivery) -> str:
    """Why it waits or failed; else what was sent instead, and what the destination remarked."""
    instead = f"sent as {each.sent_words}" if each.sent_words else ""
    return each.error or "; ".join(filter(None, (instead, each.note)))


@group.command("retry")
def retry_(ids: IdsArgument, config: ConfigOption = None) -> None:
    """Put failed deliveries back into the queue, with all their attempts ahead."""
    from node.jobs import retry_delivery
    from node.roles import OUTBOX
    from node.wake import Wake

    settings = settings_of(config)
    with database_of(settings) as engine:
        for each in ids:
            retry_delivery(engine, each, who=WHO, now=datetime.now(UTC))
            typer.echo(f"delivery {each} is in the queue again")
    with Wake(settings.data_dir) as wake:
        wake.ring(OUTBOX)
