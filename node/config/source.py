"""Raw configuration data, each key with the place it was written at.

The file gives "FILE:LINE", the environment gives the variable's name. Environment wins.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin

import yaml
from pydantic import BaseModel

from node.config.errors import Fault
from node.config.settings import Settings

PREFIX = "ECHOCARE_NODE__"
NESTED = "__"
KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True, kw_only=True)
class Source:
    """Raw data on its way to `Settings`."""

    name: str  # what to call the source when a key was written nowhere
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def place(self, path: KeyPath) -> str:
        """Where the key was written, or the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    def fault(self, path: KeyPath, words: str) -> None:
        self.faults.append(Fault(where=self.place(path), key=".".join(map(str, path)), words=words))


def read_file(path: Path) -> Source:
    """Read a YAML file; what cannot be read becomes a fault with its line."""
    source = Source(name=str(path))
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    except OSError as error:
        source.fault((), f"cannot be read: {error.strerror}")
        return source
    except UnicodeDecodeError:
        source.fault((), "is not UTF-8 text")
        return source
    except yaml.YAMLError as error:
        source.fault((), f"is not YAML text: {error}")
        return source
    try:
        root = loader.get_single_node()
        if root is not None:
            for key_path, line, words in _walk(root, ()):
                source.places.setdefault(key_path, f"{path}:{line}")
                if words:
                    source.faults.append(Fault(where=f"{path}:{line}", key=".".join(map(str, key_path)), words=words))
            source.data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        source.faults.append(Fault(where=f"{path}:{line}", key="", words=f"not valid YAML: {error.problem}"))
    finally:
        loader.dispose()
    if not isinstance(source.data, dict):
        source.fault((), "must hold keys at its top level, such as 'node:'")
        source.data = {}
    return source


def _walk(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int, str]]:
    """Every key's path and line, with words where the key stands twice."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            twice = f"is written twice; it stands at line {seen[key.value]} too" if key.value in seen else ""
            seen.setdefault(key.value, line)
            yield (*path, key.value), line, twice
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1, ""
            yield from _walk(value, (*path, index))


def overlay_environment(source: Source, environ: Mapping[str, str]) -> None:
    """Put the values of `ECHOCARE_NODE__…` variables over the file's.

    A variable names a key in full (`ECHOCARE_NODE__LISTENER__DICOM_PORT`), or by its last part alone where
    only one key of a section is called so (`ECHOCARE_NODE__DICOM_PORT`). Lists and maps are given as JSON.
    """
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        name = f"environment variable {variable}"
        steps = variable.removeprefix(PREFIX).lower().split(NESTED)
        path, words = _key_of(steps)
        if words:
            source.faults.append(Fault(where=name, key="", words=words))
            continue
        if source.places.get(path, "").startswith("environment"):
            source.faults.append(Fault(where=name, key=".".join(map(str, path)), words="is set by two variables"))
            continue
        try:
            value = _value(environ[variable])
        except yaml.YAMLError:
            source.faults.append(Fault(where=name, key=".".join(map(str, path)), words="is not valid JSON"))
            continue
        _put(source.data, path, value)
        source.places[path] = name


def _value(text: str) -> Any:  # noqa: ANN401 - raw configuration data
    # Not YAML for plain words: an AE title "NO" must stay a word.
    if text.lstrip().startswith(("[", "{")):
        return yaml.safe_load(text)
    return None if text in ("null", "") else text


def _key_of(steps: list[str]) -> tuple[KeyPath, str]:
    if steps[0] in Settings.model_fields:
        allowed = keys_under(tuple(steps[:-1]))
        if len(steps) == 1 or allowed is None or steps[-1] in allowed:
            return tuple(steps), ""
    elif len(steps) == 1:
        found = [path for path in leaf_paths() if path[-1] == steps[0]]
        if len(found) == 1:
            return found[0], ""
        if found:
            full = " or ".join(PREFIX + NESTED.join(path).upper() for path in found)
            return (), f"more than one key is called so; say {full}"
    known = [NESTED.join(path) for path in leaf_paths()] + [path[-1] for path in leaf_paths()]
    return (), f"no key is called so{did_you_mean(NESTED.join(steps), known, upper=True)}"


def _put(data: dict[str, Any], path: KeyPath, value: object) -> None:
    for step in path[:-1]:
        below = data.get(str(step))
        if not isinstance(below, dict):
            below = data[str(step)] = {}
        data = below
    data[str(path[-1])] = value


def leaf_paths() -> list[tuple[str, str]]:
    """Section and key of every key that stands in a section."""
    return [
        (section, key)
        for section, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        for key in info.annotation.model_fields
    ]


def keys_under(path: KeyPath) -> list[str] | None:
    """The keys that may stand under a path; None where any name may (peers) or the path leads nowhere."""
    hints: list[Any] = [Settings]
    for step in path:
        hints = [below for hint in hints for below in _below(hint, step)]
    models = [hint for hint in hints if isinstance(hint, type) and issubclass(hint, BaseModel)]
    return sorted({key for model in models for key in model.model_fields}) if models else None


def _below(hint: Any, step: str | int) -> list[Any]:  # noqa: ANN401 - walks annotations
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        info = hint.model_fields.get(str(step))
        return [] if info is None else _members(info.annotation)
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return _members(arguments[1])
    if get_origin(hint) is tuple and isinstance(step, int):
        return _members(arguments[0])
    return []


def _members(annotation: Any) -> list[Any]:  # noqa: ANN401 - walks annotations
    # Annotated[X | Y, ...] and X | Y both come apart into X and Y; a container stays whole.
    if get_origin(annotation) in (dict, tuple) or not get_args(annotation):
        return [annotation]
    return [
        member for part in get_args(annotation) for member in _members(part) if isinstance(part, type) or get_args(part)
    ]


def did_you_mean(word: str, known: list[str], *, upper: bool = False) -> str:
    """Words that name the key that was probably meant, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not close:
        return ""
    return f"; did you mean {PREFIX + close[0].upper() if upper else repr(close[0])}?"
