"""From file and environment to `Settings`, or to all faults at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import ValidationError

from node.config.errors import ConfigError
from node.config.settings import Settings, with_defaults
from node.config.source import PREFIX, KeyPath, Source, did_you_mean, keys_under, overlay_environment, read_file

FILE_NAME = "echocare-node.yaml"
TAGS = {"dimse", "folder"}  # pydantic names the union's member inside an error's location
NOBODY_ASKABLE = "no peer can be asked for studies: add one of kind dimse, dicomweb or orthanc"
DATA_DIR_VARIABLES = (f"{PREFIX}NODE__DATA_DIR", f"{PREFIX}DATA_DIR")


def find_config(environ: Mapping[str, str] | None = None) -> Path | None:
    """The file `echocare-node.yaml` beside the data folder, when there is one."""
    variables = os.environ if environ is None else environ
    data_dir = next((variables[name] for name in DATA_DIR_VARIABLES if variables.get(name)), "var")
    beside = Path(data_dir).expanduser().absolute().parent / FILE_NAME
    return beside if beside.is_file() else None


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    Parameters
    ----------
    path
        The YAML file; None takes `echocare-node.yaml` beside the data folder, else the defaults.
    environ
        Variables that go over the file; None takes the process's.

    Returns
    -------
    Settings
        Checked and frozen; relative paths start from the file's folder, or from the current one without a file.

    Raises
    ------
    ConfigError
        With every fault found, each with its file and line or its variable.
    """
    variables = os.environ if environ is None else environ
    file = path or find_config(variables)
    source = Source(name="the defaults") if file is None else read_file(file)
    overlay_environment(source, variables)
    base = Path.cwd() if file is None else file.absolute().parent
    settings = _validate(source, base)
    for key_path, words in _faults_between_keys(with_defaults(source.data)):
        source.fault(key_path, words)
    if settings is None or source.faults:
        raise ConfigError(tuple(sorted(source.faults, key=_order)))
    return settings


def _order(fault: Any) -> tuple[str, int]:  # noqa: ANN401 - a Fault; sorted only needs the key
    file, _, line = fault.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (fault.where, 0)


def _validate(source: Source, base: Path) -> Settings | None:
    try:
        settings = Settings.model_validate(source.data, context={"base": base})
        settings._places.update(source.places)
        return settings
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = _key_path(detail["loc"], source)
            source.fault(path, _words(detail, path))
        return None


def _key_path(location: tuple[str | int, ...], source: Source) -> KeyPath:
    path: KeyPath = ()
    for step in location:
        # "[key]" and the union's tags are pydantic's own marks in a location, not keys of the file.
        if step == "[key]" or (step in TAGS and (*path, step) not in source.places):
            continue
        path = (*path, step)
    return path


def _words(detail: Any, path: KeyPath) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(path[-1]), keys_under(path[:-1]) or [])}"
    if kind == "missing":
        return "is missing and has no default"
    if kind == "union_tag_not_found":
        return "needs a 'kind': dimse or folder"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_type" and isinstance(detail["input"], (int, float, bool)):
        return "must be text; put it in quotes"
    words = str(detail["msg"]).replace("Input should", "should")
    return f"{words} (it is {detail['input']!r})" if isinstance(detail["input"], (str, int, float)) else words


def _faults_between_keys(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What only shows when two keys are seen together; asked of raw data, so that it is told with all the rest."""
    peers, routes = data["peers"], data["routes"]
    known = [str(name) for name in peers] if isinstance(peers, dict) else []
    first: dict[str, int] = {}
    for index, route in enumerate(routes if isinstance(routes, list) else []):
        if not isinstance(route, dict):
            continue
        name = route.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield (
                ("routes", index, "name"),
                f"route {name!r} is written twice; it is route number {first[name] + 1} too",
            )
        yield from _unknown_peers(("routes", index, "send_to"), route.get("send_to"), known)
        if isinstance(route.get("priors"), dict):
            yield from _unaskable(("routes", index, "priors"), route["priors"].get("source"), peers)
    workitems = data.get("workitems")
    if isinstance(workitems, dict):
        yield from _unknown_peers(("workitems", "send_to"), workitems.get("send_to"), known)


def _unknown_peers(path: KeyPath, send_to: object, known: list[str]) -> Iterator[tuple[KeyPath, str]]:
    for place, peer in enumerate(send_to if _is_list(send_to) else []):
        if isinstance(peer, str) and peer not in known:
            hint = did_you_mean(peer, known) or f"; the peers are: {', '.join(known) or 'none'}"
            yield (*path, place), f"no peer is called {peer!r}{hint}"


def _unaskable(path: KeyPath, source: object, peers: object) -> Iterator[tuple[KeyPath, str]]:
    """Why nobody can be asked for priors."""
    kinds = {str(name): _kind(peer) for name, peer in peers.items()} if isinstance(peers, dict) else {}
    askable = [name for name, kind in kinds.items() if kind != "folder"]
    those = f"those that can be asked for studies are: {', '.join(askable)}" if askable else NOBODY_ASKABLE
    if source is None and len(askable) != 1:
        yield path, f"source is needed, for {those}" if askable else those
    elif isinstance(source, str) and source not in kinds:
        hint = did_you_mean(source, askable)
        yield (*path, "source"), f"no peer is called {source!r}{hint or '; ' + those}"
    elif isinstance(source, str) and source not in askable:
        yield (*path, "source"), f"peer {source!r} is a folder, which holds no studies to be asked for; {those}"


def _kind(peer: object) -> object:
    return peer.get("kind") if isinstance(peer, dict) else getattr(peer, "kind", None)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)
