"""The command and its subcommands, and the one place where their errors become words and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from node.cli import (
    conformance,
    deliveries,
    demo,
    doctor,
    jobs,
    live,
    models,
    predict,
    pull,
    reindex,
    rules,
    send,
    serve,
    status,
    studies,
)
from node.cli.exits import FAILED, USAGE, CommandFailed

EPILOG = "Exit codes: 0 done, 1 what was asked for did not succeed, 2 wrong usage or configuration."


class _Commands(TyperGroup):
    """Turns the errors that are raised on purpose into one line on standard error."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's context and answer are those of its own copy of click
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except CommandFailed as failed:
            _tell(str(failed))
            sys.exit(failed.exit_code)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            code = getattr(error, "code", None)
            if not isinstance(code, str):
                raise
            _tell(str(error))
            sys.exit(USAGE if code.startswith("config") else FAILED)


def _tell(words: str) -> None:
    typer.echo(f"echocare-node: {words}", err=True)


app = typer.Typer(
    name="echocare-node",
    cls=_Commands,
    help="Clinical AI node for ultrasound: DICOM in; SEG, SR and SC out. Research use only, not for diagnosis.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of all commands."""


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("send")(send.send)
app.command("pull")(pull.pull)
app.command("status")(status.status)
app.command("predict")(predict.predict)
app.command("live")(live.live)
app.command("doctor")(doctor.doctor)
app.command("conformance")(conformance.conformance)
app.command("reindex")(reindex.reindex)
app.add_typer(studies.group, name="studies")
app.add_typer(rules.group, name="rules")
app.add_typer(models.group, name="models")
app.add_typer(jobs.group, name="jobs")
app.add_typer(deliveries.group, name="deliveries")
