"""`models`: task packages and their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.exits import FAILED, CommandFailed
from node.cli.options import ConfigOption, JsonOption, settings_of
from node.cli.output import print_json, print_table

if TYPE_CHECKING:
    from models.packages import Refusal, TaskPackage

group = typer.Typer(help="List, show and verify task packages.", no_args_is_help=True)


def _discovered(config: Any) -> tuple[tuple[TaskPackage, ...], tuple[Refusal, ...]]:  # noqa: ANN401 - an option
    from models.packages import discover

    return discover(settings_of(config).models.packages)


@group.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the task packages that can be used, and the folders that cannot, with the reason."""
    packages, refusals = _discovered(config)
    if as_json:
        print_json(
            {
                "packages": [_document(package) for package in packages],
                "refusals": [{"path": str(each.path), "code": each.code, "reason": each.reason} for each in refusals],
            }
        )
    else:
        rows = [
            (package.identity.task, package.identity.version, package.card.title, package.identity.digest[:19])
            for package in packages
        ]
        print_table(("task", "version", "title", "digest"), rows)
        for refusal in refusals:
            typer.echo(f"refused: {refusal.path}: {refusal.reason}", err=True)
    raise typer.Exit(FAILED if refusals else 0)


@group.command("show")
def show(
    task: Annotated[str, typer.Argument(help="Task, from `models list`.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a package's card: what it is for, what it learned from, how well it does, when it keeps silent."""
    from models.packages import card_text

    package = _package(task, _discovered(config)[0])
    if as_json:
        print_json({**_document(package), "card": package.card.model_dump(mode="json", by_alias=True)})
    else:
        typer.echo(f"# {package.path}\n# {package.identity.digest}\n{card_text(package.card)}", nl=False)


@group.command("verify")
def verify(
    task: Annotated[str | None, typer.Argument(help="Task; without it, all.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check packages to the last tensor: card, digests, and that the network takes the weights."""
    from models.packages import PackageError
    from models.packages import verify as check

    packages, refusals = _discovered(config)
    wanted = packages if task is None else (_package(task, packages),)
    answers = [{"task": None, "path": str(each.path), "ok": False, "reason": each.reason} for each in refusals]
    for package in wanted:
        reason = None
        try:
            check(package.path)
        except PackageError as error:
            reason = str(error)
        answers.append(
            {"task": package.identity.task, "path": str(package.path), "ok": reason is None, "reason": reason}
        )
    if as_json:
        print_json({"packages": answers})
    else:
        for answer in answers:
            typer.echo(f"{answer['task'] or answer['path']}: {'whole' if answer['ok'] else answer['reason']}")
    raise typer.Exit(0 if answers and all(answer["ok"] for answer in answers) else FAILED)


def _package(task: str, packages: tuple[TaskPackage, ...]) -> TaskPackage:
    for package in packages:
        if package.identity.task == task:
            return package
    known = ", ".join(package.identity.task for package in packages) or "none"
    raise CommandFailed(f"no task package is called '{task}'; there are: {known}")


def _document(package: TaskPackage) -> dict[str, Any]:
    identity = package.identity
    return {
        "task": identity.task,
        "version": identity.version,
        "title": package.card.title,
        "digest": identity.digest,
        "encoder_digest": identity.encoder_digest,
        "path": str(package.path),
    }
