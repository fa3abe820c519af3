"""`studies`: say that an exam is complete."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli.options import ConfigOption, database_of, settings_of

group = typer.Typer(help="Say what is known about exams.", no_args_is_help=True)


@group.command("complete")
def complete(
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    config: ConfigOption = None,
) -> None:
    """Say that an exam is complete: it is closed now instead of after the quiet timer."""
    from datetime import UTC, datetime

    from node.db import Signal, write
    from node.roles import SCHEDULER
    from node.studies import signal_complete
    from node.wake import Wake

    settings = settings_of(config)
    with database_of(settings) as engine, write(engine) as connection:
        said = signal_complete(connection, study, Signal.API, datetime.now(UTC))
    with Wake(settings.data_dir) as wake:
        wake.ring(SCHEDULER)
    typer.echo("the node will close the study now" if said else "the study is closed already")


@group.callback()
def _group() -> None:
    """Say what is known about exams."""
