"""`models`: packages of tasks and encoders, and their cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.exits import FAILED, USAGE, CommandFailed
from node.cli.options import ConfigOption, JsonOption, settings_of
from node.cli.output import print_json, print_table

if TYPE_CHECKING:
    from models.packages import EncoderPackage, Inventory, TaskPackage
    from models.packages.card import DataSet, Figure

SHOWN = len("sha256:") + 12  # characters of a digest in tables
NAME_HELP = "Task, or name or digest of an encoder, from `models list`."

group = typer.Typer(
    help="List, show and verify packages of tasks and encoders; import an encoder.", no_args_is_help=True
)


@group.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the packages that can be used, what the licences of their data leave open, and the folders that cannot."""
    found = _inventory(config)
    if as_json:
        print_json(
            {
                "packages": [_task_document(package) for package in found.packages],
                "replaced": [_task_document(package) for package in found.replaced],
                "encoders": [_encoder_document(encoder, found) for encoder in found.encoders],
                "refusals": [
                    {"path": str(each.path), "code": each.code, "reason": each.reason} for each in found.refusals
                ],
            }
        )
    else:
        _show(found)
    raise typer.Exit(FAILED if found.refusals else 0)


@group.command("show")
def show(
    name: Annotated[str, typer.Argument(help=NAME_HELP)], config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show a package's card: what it is for, what it learned from, how well it does, when it keeps silent."""
    from models.packages.files import table_text

    found = _inventory(config)
    package = _chosen(name, found)
    document = _document(package, found)
    if as_json:
        print_json({**document, "card": package.card.model_dump(mode="json", by_alias=True)})
    else:
        typer.echo(f"# {document['path']}\n# {document['digest']}\n{table_text(package.card)}", nl=False)


@group.command("verify")
def verify(
    name: Annotated[str | None, typer.Argument(help=NAME_HELP + " Without it, all.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check packages to the last tensor: cards, digests, and that the networks take all weights."""
    from models.packages import EncoderPackage
    from models.packages.weights import check_encoder, check_own_weights

    found = _inventory(config)
    tasks, encoders = (*found.packages, *found.replaced), found.encoders
    if name is not None:
        chosen = _chosen(name, found)
        tasks = () if isinstance(chosen, EncoderPackage) else (chosen,)
        encoders = (chosen,) if isinstance(chosen, EncoderPackage) else (chosen.encoder,)
    refused = [{"task": None, "path": str(each.path), "ok": False, "reason": each.reason} for each in found.refusals]
    broken = {encoder.digest: _fault(check_encoder, encoder) for encoder in encoders}
    looked = [
        {"encoder": encoder.name, "digest": encoder.digest, **_verdict(encoder.path, broken[encoder.digest])}
        for encoder in encoders
    ]
    checked = refused + [
        {
            "task": package.identity.task,
            **_verdict(package.path, broken[package.encoder.digest] or _fault(check_own_weights, package)),
        }
        for package in tasks
    ]
    if as_json:
        print_json({"packages": checked, "encoders": looked})
    else:
        for answer in (*looked, *checked):
            what = answer.get("task") or answer.get("encoder") or answer["path"]
            typer.echo(f"{what}: {'whole' if answer['ok'] else answer['reason']}")
    raise typer.Exit(0 if checked + looked and all(answer["ok"] for answer in checked + looked) else FAILED)


@group.command("import-echocare")
def import_echocare(
    file: Annotated[Path, typer.Argument(help="The released file, such as echocare_encoder.pth.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the package (default: the first of `models.packages`).")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an encoder package of EchoCare's released weights: every tensor accounted for, nothing in the file run."""
    from models.packages.folders import ENCODERS
    from models.packages.importing import import_echocare as take_over

    into = out
    if into is None:
        folders = settings_of(config).models.packages
        if not folders:
            raise CommandFailed("no folder is set in `models.packages`: give --out", USAGE)
        into = folders[0] / ENCODERS
    try:
        done = take_over(file, into)
    except OSError as error:
        raise CommandFailed(f"the package cannot be written into {into}: {error}") from error
    document = {
        "encoder": done.encoder.name,
        "digest": done.encoder.digest,
        "path": str(done.encoder.path),
        "tensors": {"in_file": done.tensors, "stored": done.stored, "checked": len(done.checked)},
        "dropped": list(done.dropped),
        "passed_over": list(done.passed_over),
        "use": done.encoder.use,
    }
    if as_json:
        print_json(document)
        return
    typer.echo(f"{done.encoder.name} {done.encoder.digest}\nwritten to {done.encoder.path}")
    typer.echo(
        f"{done.tensors} tensors in the file: {done.stored} stored, {len(done.checked)} tables found to be our own and"
        f" not stored, dropped: {', '.join(done.dropped) or 'none'}"
    )
    if done.passed_over:
        typer.echo(f"passed over beside the weights: {', '.join(done.passed_over)}")
    typer.echo(f"licences of its training data: {done.encoder.use}; see encoder.yaml")


def _inventory(config: Path | None) -> Inventory:
    from node.installed import inventory_of

    return inventory_of(settings_of(config))


def _chosen(name: str, found: Inventory) -> TaskPackage | EncoderPackage:
    for package in found.packages:
        if package.identity.task == name:
            return package
    encoders = [each for each in found.encoders if name == each.name or _begins(each.digest, name)]
    if len(encoders) == 1:
        return encoders[0]
    if encoders:
        digests = ", ".join(each.digest for each in encoders)
        raise CommandFailed(f"'{name}' may be several encoders: give more of the digest of {digests}")
    known = ", ".join([*(each.identity.task for each in found.packages), *(each.name for each in found.encoders)])
    raise CommandFailed(f"no package is called '{name}'; there are: {known or 'none'}")


def _begins(digest: str, name: str) -> bool:
    return len(name) >= 6 and (digest.startswith(name) or digest.partition(":")[2].startswith(name))


def _fault(check: Callable[[Any], None], package: object) -> str | None:
    from models.packages import PackageError

    try:
        check(package)
    except PackageError as error:
        return str(error)
    return None


def _verdict(path: Path, reason: str | None) -> dict[str, Any]:
    return {"path": str(path), "ok": reason is None, "reason": reason}


def _show(found: Inventory) -> None:
    print_table(
        ("task", "version", "title", "encoder", "data", "digest"),
        [
            (
                package.identity.task,
                package.identity.version,
                package.card.title,
                _short(package.encoder) + (" + adapter" if package.card.adapter else ""),
                package.use,
                package.identity.digest[:SHOWN],
            )
            for package in found.packages
        ],
    )
    figures = [_figure(package, each) for package in found.packages for each in package.card.headlines()]
    if figures:
        print_table(("task", "figure", "value", "95 % interval", "n", "data"), figures)
    rows = [(_short(each), each.card.title, ", ".join(_users(each, found)) or "–", each.use) for each in found.encoders]
    print_table(("encoder", "title", "used by", "data"), rows)
    for package in found.packages:
        _warn(package.identity.task, package.limited)
        if package.identity.trial:
            typer.echo(f"{package.identity.task}: a trial, nobody should rely on it: {package.identity.trial}")
    for encoder in found.encoders:
        _warn(_short(encoder), encoder.limited)
    for package in found.replaced:
        typer.echo(f"replaced by a later package of the same task: {package.path}", err=True)
    for refusal in found.refusals:
        typer.echo(f"refused: {refusal.path}: {refusal.reason}", err=True)


def _figure(package: TaskPackage, figure: Figure) -> tuple[str, ...]:
    band = "" if figure.low is None or figure.high is None else f"{figure.low:g} to {figure.high:g}"
    value = f"{figure.value:g} {figure.unit}".strip()
    return (package.identity.task, figure.name, value, band, str(figure.n), figure.data)


def _warn(what: str, limited: Iterable[DataSet]) -> None:
    words = "; ".join(f"{each.name} ({each.use}: {each.licence})" for each in limited)
    if words:
        typer.echo(f"{what}: trained on data that is not free for every use: {words}")


def _short(encoder: EncoderPackage) -> str:
    return f"{encoder.name} {encoder.digest[:SHOWN]}"


def _users(encoder: EncoderPackage, found: Inventory) -> list[str]:
    return [package.identity.task for package in found.packages if package.encoder.digest == encoder.digest]


def _document(package: TaskPackage | EncoderPackage, found: Inventory) -> dict[str, Any]:
    from models.packages import EncoderPackage

    return _encoder_document(package, found) if isinstance(package, EncoderPackage) else _task_document(package)


def _task_document(package: TaskPackage) -> dict[str, Any]:
    identity = package.identity
    return {
        "task": identity.task,
        "version": identity.version,
        "title": package.card.title,
        "digest": identity.digest,
        "encoder": package.encoder.name,
        "encoder_digest": identity.encoder_digest,
        "adapter": package.card.adapter.kind if package.card.adapter is not None else None,
        "use": package.use,
        "trial": identity.trial or None,
        "figures": [each.model_dump(mode="json") for each in package.card.headlines()],
        "data": [_data_document(each) for each in package.card.training.data],
        "path": str(package.path),
    }


def _encoder_document(encoder: EncoderPackage, found: Inventory) -> dict[str, Any]:
    return {
        "encoder": encoder.name,
        "title": encoder.card.title,
        "digest": encoder.digest,
        "precision": encoder.card.weights.precision,
        "used_by": _users(encoder, found),
        "use": encoder.use,
        "data": [_data_document(each) for each in encoder.card.data],
        "path": str(encoder.path),
    }


def _data_document(data: DataSet) -> dict[str, Any]:
    return {"name": data.name, "licence": data.licence, "use": data.use}
