"""The commands explain themselves, start fast, and stand in the README."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
from typer.testing import Result

from node.cli import app
from tests.data import REPOSITORY

Invoke = Callable[..., Result]
HEAVY = ("torch", "pydicom", "sqlalchemy", "fastapi", "highdicom", "cv2", "numpy")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path
    for name, child in children.items():
        yield from commands(child, (*path, name))


ALL = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_command__asked_for_help__says_what_it_does(invoke: Invoke, path: tuple[str, ...]) -> None:
    answer = invoke(*path, "--help")
    assert answer.exit_code == 0
    assert len(answer.stdout.split()) > 10


@pytest.mark.parametrize("name", sorted({path[0] for path in ALL}))
def test_command__of_the_program__stands_in_the_readme(name: str) -> None:
    rows = [line for line in (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    assert any(f"`{name} " in row or f"echocare-node {name}" in row for row in rows)


def test_help__of_the_program__tells_the_exit_codes(invoke: Invoke) -> None:
    words = " ".join(invoke("--help").stdout.split())
    assert "0 done, 1 what was asked for did not succeed, 2 wrong usage" in words


def test_program__only_loaded__loads_nothing_heavy() -> None:
    code = f"import sys, node.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("role", ["node.listener", "node.scheduler", "node.supervise", "node.api"])
def test_role__without_networks__does_not_load_torch(role: str) -> None:
    code = f"import sys, {role}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
