"""`serve`: the service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from node.cli.options import ConfigOption, settings_of


class Role(StrEnum):
    """A role that can run alone."""

    LISTENER = "listener"
    WORKER = "worker"
    API = "api"
    SCHEDULER = "scheduler"


def serve(
    config: ConfigOption = None,
    only: Annotated[Role | None, typer.Option("--only", help="Run one role, in this process.")] = None,
) -> None:
    """Run the node until it is stopped with Ctrl-C or SIGTERM.

    It then takes nothing new, ends what it is at, and is gone within half a minute.
    """
    from node import logs, supervise

    settings = settings_of(config)
    logs.setup(form=settings.logs.format, level=settings.logs.level)
    code = supervise.serve(settings) if only is None else supervise.serve_only(settings, only.value)
    raise typer.Exit(code)
