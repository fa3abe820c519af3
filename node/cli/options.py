"""Options that many commands have, and the settings they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from node.cli.exits import USAGE, CommandFailed

if TYPE_CHECKING:
    import sqlalchemy as sa

    from node.config import Settings

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (default: echocare-node.yaml beside the data folder)."),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
FilesArgument: TypeAlias = Annotated[list[Path], typer.Argument(help="Files, or folders to look through.")]


def settings_of(config: Path | None) -> Settings:
    """The settings a command works with; raises ConfigError."""
    from node.config import load_settings

    return load_settings(config)


@contextmanager
def database_of(settings: Settings) -> Iterator[sa.Engine]:
    """The node's database; the command fails where no node has run yet."""
    import sqlalchemy as sa

    from node.db import connect

    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandFailed(f"there is no database at {url.database}: no node has run with this configuration yet")
    engine = connect(settings.database)
    try:
        yield engine
    except sa.exc.OperationalError as error:
        raise CommandFailed("the database has not the tables of this version: start the node once") from error
    finally:
        engine.dispose()


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Files as given, and all files below given folders, hidden ones left out.

    Raises
    ------
    CommandFailed
        A path does not exist, or there is no file at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (each for each in path.rglob("*") if each.is_file())
            found += sorted(
                each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts)
            )
        elif path.exists():
            found.append(path)
        else:
            raise CommandFailed(f"there is no file or folder {path}", USAGE)
    if not found:
        raise CommandFailed("there is no file in what was given", USAGE)
    return found
