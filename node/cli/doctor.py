"""`doctor`: whether this machine and its neighbours are fit for the node."""

from __future__ import annotations

import typer

from node.cli.exits import FAILED
from node.cli.options import ConfigOption, JsonOption, settings_of
from node.cli.output import console, print_json


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check device, disk, database, task packages, routes, peers, ports, clock and certificates."""
    from node.examination import examine

    found = list(examine(settings_of(config)))
    sound = all(check.sound for check in found)
    if as_json:
        checks = [{"name": check.name, "sound": check.sound, "words": check.words} for check in found]
        print_json({"sound": sound, "checks": checks})
    else:
        out = console()
        for check in found:
            mark = "[green]ok  [/]" if check.sound else "[bold red]FAIL[/]"
            out.print(mark, f"[bold]{check.name}[/]", end=" ")
            out.print(check.words, markup=False, soft_wrap=True)
    raise typer.Exit(0 if sound else FAILED)
