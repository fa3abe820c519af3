"""`send`: DICOM files to any storage SCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.exits import FAILED, USAGE, CommandFailed
from node.cli.options import FilesArgument, JsonOption, files_in
from node.cli.output import print_json

if TYPE_CHECKING:
    from integration.dimse import Outcome


def send(
    peer: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where to.")],
    files: FilesArgument,
    ae: Annotated[str, typer.Option("--ae", help="AE title to call as.")] = "ECHOCARE-SEND",
    called: Annotated[str, typer.Option("--called", help="AE title to call.")] = "ECHOCARE",
    as_json: JsonOption = False,
) -> None:
    """Send DICOM files by C-STORE, with progress. Files that are not DICOM are told and left out."""
    from integration.dimse import Peer

    host, port = parse_address(peer)
    paths = files_in(files)
    outcomes = _sent(Peer(ae_title=called, host=host, port=port, calling_ae=ae), paths, quiet=as_json)
    refused = [outcome for outcome in outcomes if not outcome.accepted]
    if as_json:
        print_json({"peer": peer, "sent": len(outcomes) - len(refused), "files": [_document(one) for one in outcomes]})
    else:
        for outcome in refused:
            typer.echo(f"{outcome.path}: {outcome.error}", err=True)
        typer.echo(f"{len(outcomes) - len(refused)} of {len(outcomes)} files sent to {called} at {host}:{port}")
    raise typer.Exit(FAILED if refused else 0)


def parse_address(peer: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT"; an IPv6 address stands in brackets."""
    host, colon, port = peer.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise CommandFailed(f"'{peer}' is not HOST:PORT, such as 127.0.0.1:11112", USAGE)
    return host.strip("[]"), int(port)


def _sent(peer: Any, paths: list[Any], *, quiet: bool) -> list[Outcome]:  # noqa: ANN401 - imported when wanted
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from integration.dimse import store

    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bar = progress.add_task("sending", total=len(paths))
        outcomes = []
        for outcome in store(paths, peer):
            outcomes.append(outcome)
            progress.advance(bar)
    return outcomes


def _document(outcome: Outcome) -> dict[str, Any]:
    document: dict[str, Any] = {"file": str(outcome.path), "accepted": outcome.accepted}
    if outcome.status is not None:
        document["status"] = f"0x{outcome.status:04X}"
    if outcome.error is not None:
        document |= {"code": outcome.error.code, "reason": str(outcome.error)}
    if outcome.note is not None:
        document["note"] = outcome.note
    return document
