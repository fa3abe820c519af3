"""The reference of all configuration keys, made from the code that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from node.config.sections import (
    Allow,
    Destination,
    DicomwebPeer,
    DimsePeer,
    FolderPeer,
    Login,
    OrthancPeer,
    Priors,
    Route,
    Tls,
)
from node.config.settings import SECTIONS, Settings

HEAD = """# Configuration

One YAML file: `--config FILE`, else `echocare-node.yaml` beside the data folder, else the defaults below. Every key
can also be set by an environment variable, which wins over the file: `ECHOCARE_NODE__LISTENER__DICOM_PORT=11112`, or
`ECHOCARE_NODE__DICOM_PORT=11112` where only one section has a key of that name; lists and maps are given as JSON.
Relative paths start from the file's folder. Sizes are written like `2GB` or `512MiB`. Unknown keys and bad values stop
the start, all listed at once with their lines.

This page is made from the code: `.venv/bin/python -m node.config > docs/configuration.md`.
"""
ITEMS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("An item of `listener.allow`", Allow),
    ("`tls`", Tls),
    ("`login`", Login),
    ("Every peer", Destination),
    ("A peer of kind `dimse`", DimsePeer),
    ("A peer of kind `dicomweb`", DicomwebPeer),
    ("A peer of kind `orthanc`", OrthancPeer),
    ("A peer of kind `folder`", FolderPeer),
    ("An item of `routes`", Route),
    ("`priors` of a route", Priors),
)


def configuration_markdown() -> str:
    """The text of `docs/configuration.md`."""
    single = {key: info for key, info in Settings.model_fields.items() if key not in SECTIONS}
    parts = [HEAD, "## Keys at the top level\n", *_table(single)]
    for section in SECTIONS:
        info = Settings.model_fields[section]
        parts += [f"\n## `{section}`\n", f"{info.description}\n", *_table(_model(info).model_fields)]
    for title, model in ITEMS:
        parts += [f"\n## {title}\n", f"{(model.__doc__ or '').splitlines()[0]}\n", *_table(_own(model))]
    return "\n".join(parts) + "\n"


def _model(info: FieldInfo) -> type[BaseModel]:
    if not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
        raise TypeError("a section is a model")
    return info.annotation


def _own(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of an item, without those that every peer has."""
    shared = Destination.model_fields if issubclass(model, Destination) and model is not Destination else {}
    return {key: info for key, info in model.model_fields.items() if key not in shared}


def _table(fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| key | default | what it does |"
    yield "|---|---|---|"
    for key, info in fields.items():
        yield f"| `{key}` | {_default(info)} | {info.description} |"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    text = _plain(info.default)
    return f"`{text}`" if text else "–"


def _plain(value: Any) -> str:  # noqa: ANN401 - any default
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{key}: {_plain(getattr(value, key))}" for key in type(value).model_fields)
        return f"{{{inner}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]" if value else ""
    return "" if value == {} else str(value)
