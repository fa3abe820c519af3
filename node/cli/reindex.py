"""`reindex`: the index anew from the files."""

from __future__ import annotations

from dataclasses import asdict

import typer

from node.cli.options import ConfigOption, JsonOption, settings_of
from node.cli.output import print_json


def reindex(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Rebuild the index of received instances from the files alone; stop the node first."""
    from node.data_folder import held
    from node.studies import reindex as rebuild

    settings = settings_of(config)
    with held(settings.data_dir):
        found = rebuild(settings)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(
            f"{found.files} instances in the archive, {found.added} of them new to the index; "
            f"{found.unreadable} unreadable, {found.missing} rows whose file is gone"
        )
    raise typer.Exit(1 if found.unreadable or found.missing else 0)
