"""`rules`: which images would go to which task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.options import ConfigOption, FilesArgument, JsonOption, files_in, settings_of
from node.cli.output import print_json, print_table

if TYPE_CHECKING:
    from node.routing import InstanceFacts

group = typer.Typer(help="Try the routes without running anything.", no_args_is_help=True)


@group.callback()
def _group() -> None:
    """Try the routes without running anything."""


@group.command("test")
def test(
    files: FilesArgument,
    config: ConfigOption = None,
    calling_ae: Annotated[str | None, typer.Option("--ae", help="Calling AE title, where the file has none.")] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show attribute values in the reasons; they can be a patient's.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show for each file and each rule whether it matches, and why. The files count as one arrival."""
    from node.installed import installed
    from node.routing import compile_routes

    settings = settings_of(config)
    packages, _ = installed(settings)
    routes = compile_routes(settings, [package.identity for package in packages])
    paths = files_in(files)
    called = settings.node.ae_title
    facts = [_facts(number, path, calling_ae or "", called) for number, path in enumerate(paths)]
    explained = routes.explain(facts, show_values=show_values)
    if as_json:
        print_json({"files": [_document(path, explained[number]) for number, path in enumerate(paths)]})
        return
    print_table(
        ("file", "rule", "task", "", "why"),
        [
            (path.name, each.route, each.task, "match" if each.matched else "no", each.why)
            for number, path in enumerate(paths)
            for each in explained[number]
        ],
    )


def _facts(number: int, path: Path, calling_ae: str, called_ae: str) -> InstanceFacts:
    from node.routing import InstanceFacts, read_header

    header = read_header(path)
    meta = getattr(header, "file_meta", {})
    return InstanceFacts(
        id=number,
        sop_instance_uid=str(header.get("SOPInstanceUID", "") or path),
        sop_class_uid=str(header.get("SOPClassUID", "") or ""),
        study_uid=str(header.get("StudyInstanceUID", "") or ""),
        series_uid=str(header.get("SeriesInstanceUID", "") or ""),
        calling_ae=str(meta.get("SourceApplicationEntityTitle", "") or calling_ae),
        called_ae=str(meta.get("ReceivingApplicationEntityTitle", "") or called_ae),
        header=header,
    )


def _document(path: Path, explained: Any) -> dict[str, Any]:  # noqa: ANN401 - imported when wanted
    rules = [{"route": each.route, "task": each.task, "matched": each.matched, "why": each.why} for each in explained]
    return {"file": str(path), "rules": rules}
