"""The sample of routes can be used as it is, and knows every task that the trainer can make."""

from __future__ import annotations

from pathlib import Path

from models.findings import TaskIdentity
from node.config import Mode, Settings, load_settings
from node.installed import installed
from node.routing import Routes, compile_routes
from trainer.tasks import SPECS
from trainer.tasks.view import REGIONS

SAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "routes-sample.yaml"
LOOKERS = {"view", "quality"}  # they serve the rules of others
SEEN = {region.name for region in REGIONS} | {organ.name for region in REGIONS for organ in region.organs}


def compiled(settings: Settings) -> Routes:
    identities = [
        TaskIdentity(task=route.task, version="1", digest="sha256:" + "a" * 64, encoder_digest="")
        for route in settings.routes
    ]
    return compile_routes(settings, identities)


def test_sample__rules__compile_and_name_every_task() -> None:
    settings = load_settings(SAMPLE, {})
    assert len(compiled(settings).rules) == len(settings.routes)
    assert set(SPECS) - LOOKERS <= {route.task for route in settings.routes}


def test_sample__with_the_packages_that_come_along__starts() -> None:
    settings = load_settings(SAMPLE, {})
    packages, _ = installed(settings)
    assert len(compile_routes(settings, [package.identity for package in packages]).rules) == len(settings.routes)


def test_sample__words_of_views__are_those_that_the_view_task_says() -> None:
    rules = compiled(load_settings(SAMPLE, {})).rules
    words = {word for rule in rules for _, word in rule.condition.view_words}
    assert words - {""} <= SEEN


def test_sample__routes_for_any_organ__are_not_sent() -> None:
    routes = {route.task: route for route in load_settings(SAMPLE, {}).routes}
    assert {routes[task].mode for task in ("organ-detection", "report", "enhance")} == {Mode.SHADOW}
