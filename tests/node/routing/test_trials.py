"""Tasks that call themselves trials: what they say reaches nobody unless a site wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.findings import TaskIdentity
from node.config import ConfigError, load_settings
from node.routing import Routes, compile_routes

WHY = "Dice 0.45"
PACKAGE = TaskIdentity(task="liver-mass", version="1", digest=f"sha256:{'a' * 64}", encoder_digest="", trial=WHY)


def compiled(folder: Path, mode: str, models: str = "{}") -> Routes:
    file = folder / "echocare-node.yaml"
    route = f'{{name: liver, when: "true", task: liver-mass, send_to: [pacs], mode: {mode}}}'
    file.write_text(f"models: {models}\npeers:\n  pacs: {{kind: folder, path: out}}\nroutes:\n  - {route}\n")
    return compile_routes(load_settings(file, {}), [PACKAGE])


def test_trial__on_an_active_route__stops_the_start_and_says_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        compiled(tmp_path, "active")
    (fault,) = refused.value.faults
    assert fault.key == "routes.0.mode"
    assert all(words in fault.words for words in (WHY, "mode: shadow", "models.trials: true"))


def test_trial__on_a_shadow_route_or_where_the_site_wants_it__runs(tmp_path: Path) -> None:
    assert [rule.route.task for rule in compiled(tmp_path, "shadow").rules] == ["liver-mass"]
    assert [rule.route.task for rule in compiled(tmp_path, "active", "{trials: true}").rules] == ["liver-mass"]
