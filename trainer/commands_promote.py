"""`echocare-train site`: local adaptation as a loop that a site can trust."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.table import Table

from models.engine import EngineError
from models.packages import PackageError
from trainer.errors import TrainerError
from trainer.promote.loop import Outcome, State, promote_now, roll_back_now, run
from trainer.promote.record import Record, Step, asker
from trainer.promote.settings import read_site
from trainer.promote.status import Status, statuses

SHOWN = len("sha256:") + 12
WAITS = 3  # exit status: in order, but not at its end

site = typer.Typer(
    no_args_is_help=True,
    help="Adapt packages to a site: cohort, adapt, compare with what runs, shadow, promote, roll back.",
)
Config = Annotated[
    Path, typer.Option("--config", envvar="ECHOCARE_SITE", help="The site's configuration, see docs/adaptation.md.")
]
By = Annotated[str | None, typer.Option("--by", help="Who asks, for the record; without, the login name.")]
WithoutShadow = Annotated[
    bool, typer.Option("--without-shadow", help="Do not watch it beside what runs; the record says so.")
]
Task = Annotated[str, typer.Argument(help="Task.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
HERE = Path("echocare-site.yaml")


@site.command("run")
def run_command(
    task: Annotated[str, typer.Option(help="Task whose package is adapted.")],
    config: Config = HERE,
    by: By = None,
    anew: Annotated[bool, typer.Option("--anew", help="Give an open run up and begin another.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also a package that was rolled back once.")] = False,
    without_shadow: WithoutShadow = False,
) -> None:
    """Take the steps that are left of a run, or begin one; the same command again goes on where it stopped.

    Exit status: 0 ready to promote or promoted, 1 a fault, 2 wrong words, 3 the shadow has not seen enough, 4 refused.
    """
    cv2.setNumThreads(1)
    with _told_in_words("stopped; the same command goes on after the last step or epoch"):
        chosen = read_site(config)
        found = run(chosen, task, asker(by), _news, anew=anew, again=again, without_shadow=without_shadow)
        _tell(task, found)


@site.command("promote")
def promote_command(task: Task, config: Config = HERE, by: By = None, without_shadow: WithoutShadow = False) -> None:
    """Promote the candidate that was found to be no worse; the node answers with it from its next start."""
    with _told_in_words("stopped; give the same command again"):
        _tell(task, promote_now(read_site(config), task, asker(by), without_shadow=without_shadow))


@site.command("rollback")
def rollback_command(task: Task, config: Config = HERE, by: By = None) -> None:
    """Bring back what the last promotion replaced; the node answers with it from its next start."""
    with _told_in_words("stopped; give the same command again"):
        gone = roll_back_now(read_site(config), task, asker(by))
        back = gone.before_digest if gone.before is not None else "what the node has from elsewhere"
        typer.echo(f"{task}: {gone.digest} is withdrawn; {back} answers from the next start of the node")


@site.command("status")
def status_command(config: Config = HERE, as_json: AsJson = False) -> None:
    """Tell which packages are promoted, where runs stand, and what was decided and why."""
    with _told_in_words("stopped"):
        chosen = read_site(config)
        found = statuses(chosen)
        if as_json:
            typer.echo(json.dumps({"schema": 1, "tasks": [asdict(each) for each in found]}))
            return
        _show(found)
        record = Record(chosen.folder)
        for each in found:
            compared = record.last(each.task, Step.COMPARED)
            for reason in compared.what["reasons"] if compared is not None else []:
                typer.echo(f"{each.task}: compared {compared.at if compared else ''}: {reason}")


@site.command("watch")
def watch_command(config: Config = HERE, by: By = None) -> None:
    """Run the loop by the calendar of the configuration, which is off unless the site turns it on."""
    from trainer.promote.watching import keep_calendar  # APScheduler is not needed for anything else

    cv2.setNumThreads(1)
    with _told_in_words("stopped"):
        keep_calendar(read_site(config), asker(by), _news)


def _show(found: tuple[Status, ...]) -> None:
    table = Table("task", "promoted", "a rollback brings back", "open run", "last step", "at", "by")
    for each in found:
        last = each.last
        table.add_row(
            each.task,
            (each.active or "none")[:SHOWN],
            (each.before or "–")[:SHOWN],
            each.open_run or "–",
            last.step.value,
            last.at,
            last.who,
        )
    Console().print(table)
    for each in found:
        if each.warning is not None:
            typer.echo(f"{each.task}: {each.warning}", err=True)


def _tell(task: str, found: Outcome) -> None:
    typer.echo(f"{task}: {found.state}")
    for reason in found.reasons:
        typer.echo(f"  {reason}")
    status = {State.WATCHING: WAITS, State.REFUSED: 4}.get(found.state, 0)
    if status:
        raise typer.Exit(status)


def _news(words: str) -> None:
    typer.echo(words, err=True)


@contextmanager
def _told_in_words(stopped: str) -> Iterator[None]:
    # pydicom puts values of attributes into its log.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(130) from None
    except (TrainerError, PackageError, EngineError, OSError) as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
