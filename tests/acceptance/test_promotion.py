"""A promoted package answers for its task at the node's next start, and a rollback takes it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from models.packages import BUNDLED, discover, load_package
from models.packages.folders import PERMISSIVE
from node.cli import app
from node.config import load_settings
from node.routing import compile_routes
from tests.trainer.promote import made
from tests.trainer.promote.made import TASK
from trainer.commands_promote import site as commands
from trainer.promote import switching
from trainer.promote.record import Record
from trainer.promote.settings import Site, read_site
from trainer.promote.shadow import propose
from trainer.promote.switching import promote


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose candidate was promoted over the bundled package."""
    monkeypatch.setattr(switching, "verify", load_package)  # the candidate's encoder is a copy under another digest
    (tmp_path / "echocare-site.yaml").write_text("folder: site\n")
    made_site = read_site(tmp_path / "echocare-site.yaml")
    candidate = made.package(tmp_path / "candidates" / "one", 1)
    promote(Record(made_site.folder), made_site.promoted, candidate, bundled(), "r1", "me", {})
    return made_site


def bundled():
    return load_package(BUNDLED / PERMISSIVE / TASK)


def configured(folder: Path, document: dict) -> Path:
    path = folder / "echocare-node.yaml"
    path.write_text(yaml.safe_dump({"node": {"data_dir": "var"}, **document}))
    return path


def answering(config: Path) -> str:
    """Digest of the package that the node uses for the task when it starts."""
    told = json.loads(CliRunner().invoke(app, ["models", "list", "--json", "--config", str(config)]).stdout)
    return next(each["digest"] for each in told["packages"] if each["task"] == TASK)


def test_promoted_package__at_the_start_of_the_node__answers_and_after_a_rollback_the_former_one(place, tmp_path):
    config = configured(tmp_path, {"models": {"packages": ["site/promoted"]}})
    promoted = load_package(tmp_path / "candidates" / "one").identity.digest
    assert answering(config) == promoted != bundled().identity.digest
    words = ["rollback", TASK, "--config", str(tmp_path / "echocare-site.yaml"), "--by", "somebody on call"]
    result = CliRunner().invoke(commands, words)
    assert result.exit_code == 0, result.output
    assert promoted in result.output
    assert answering(config) == bundled().identity.digest
    told = json.loads(CliRunner().invoke(commands, ["status", "--json", *words[2:4]]).stdout)
    assert told["tasks"][0]["active"] is None
    assert told["tasks"][0]["last"]["who"] == "somebody on call"


def test_rollback__given_once_too_often__is_refused_in_words(place, tmp_path):
    words = ["rollback", TASK, "--config", str(tmp_path / "echocare-site.yaml")]
    assert CliRunner().invoke(commands, words).exit_code == 0
    result = CliRunner().invoke(commands, words)
    assert result.exit_code == 1
    assert "no promotion" in result.output


def test_proposed_route__in_the_nodes_configuration__runs_both_packages_and_delivers_one(place, tmp_path):
    _, file = propose(place, made.package(tmp_path / "candidates" / "two", 2))
    told = yaml.safe_load(file.read_text())
    active = {"name": "breast", "task": TASK, "send_to": ["out"]}
    peers = {"out": {"kind": "folder", "path": "out"}}
    config = configured(tmp_path, {"models": told["models"], "peers": peers, "routes": [active, *told["routes"]]})
    settings = load_settings(config, {})
    packages, _ = discover(settings.models.packages, settings.models.bundled)
    compiled = compile_routes(settings, [package.identity for package in packages])
    rules = {rule.route.name: rule for rule in compiled.rules}
    shadow = rules[f"{TASK}-candidate"]
    assert shadow.route.mode.value == "shadow"
    assert shadow.route.send_to == ()
    assert shadow.package_digest != rules["breast"].package_digest


def test_watch__calendar_is_off__says_how_to_turn_it_on(place, tmp_path):
    result = CliRunner().invoke(commands, ["watch", "--config", str(tmp_path / "echocare-site.yaml")])
    assert result.exit_code == 1
    assert "calendar.enabled" in result.output
