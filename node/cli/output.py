"""What commands print: tables for people, one JSON document for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH: Final = 140
State = TypeVar("State", bound=str)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output, and nothing else there."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def console() -> Console:
    """For people; as wide as the terminal, and wide enough for a table where there is none."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None, on: Console | None = None
) -> None:
    """A table; cells are text and are shown as they are."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells: list[RenderableType] = [Text(cell) for cell in row]
        table.add_row(*cells)
    (on or console()).print(table)


def ago(at: datetime | None) -> str:
    """A time as a reader wants it: how long ago, or in how long."""
    if at is None:
        return "–"
    seconds = (datetime.now(UTC) - at).total_seconds()
    size = abs(seconds)
    for limit, unit, divisor in ((90, "s", 1), (5400, "min", 60), (129600, "h", 3600)):
        if size < limit:
            amount = f"{size / divisor:.0f} {unit}"
            break
    else:
        amount = f"{size / 86400:.0f} d"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def states(counted: Mapping[State, int]) -> str:
    """States with their counts, such as "2 done, 1 failed"."""
    return ", ".join(f"{count} {state}" for state, count in counted.items()) or "–"
