"""The commands as a user calls them."""

from __future__ import annotations

import json

import pytest
import torch
import yaml
from typer.testing import CliRunner

from tests.trainer.adapting import toy
from trainer.cli import app

ADAPT = ["adapt", "--task", "carotid", "--epochs", "1", "--shots", "2"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    torch.set_num_threads(1)
    data = toy.make(tmp_path_factory.mktemp("data"), counts={"train": 4, "val": 2, "test": 4})
    out = tmp_path_factory.mktemp("out")
    result = CliRunner().invoke(app, [*ADAPT, "--data", str(data), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return data, out


def test_adapt__one_task__leaves_a_package_and_a_report_that_needs_nothing_else(done):
    _, out = done
    card = yaml.safe_load((out / "packages" / "carotid" / "card.yaml").read_text())
    assert card["training"]["command"].startswith("echocare-train adapt --task carotid --data DIR --method frozen")
    assert str(out) not in json.dumps(card)
    page = (out / "carotid-frozen-2-0" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 9
    assert "http" not in page
    assert "<script" not in page


def test_evaluate__the_package__gives_the_figures_of_its_card(done, tmp_path):
    data, out = done
    folder = out / "packages" / "carotid"
    report = tmp_path / "report.html"
    command = ["evaluate", str(folder), "--data", str(data), "--json", "--report", str(report)]
    told = json.loads(CliRunner().invoke(app, command).stdout)
    card = yaml.safe_load((folder / "card.yaml").read_text())
    assert [(f["name"], round(f["value"], 4)) for f in told["figures"]] == [
        (f["name"], f["value"]) for f in card["figures"]
    ]
    assert report.is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "spleen"], "there is no task 'spleen'"),
        (["--task", "carotid", "--method", "magic"], "--method is frozen, lora, full"),
        (["--task", "carotid", "--task", "view"], "one by one"),
        (["--task", "fetal-head", "--shots", "3"], "not for outlines together"),
        (["--task", "liver-mass"], "there is no"),
    ],
)
def test_adapt__what_cannot_be_done__is_refused_in_words(words, says, done, tmp_path):
    data, _ = done
    result = CliRunner().invoke(app, ["adapt", "--data", str(data), "--out", str(tmp_path), *words])
    assert result.exit_code != 0
    assert says in " ".join(result.output.replace("│", " ").split())
