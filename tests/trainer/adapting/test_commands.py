"""The commands as a user calls them."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from typer.testing import CliRunner

from models.packages.folders import PERMISSIVE as FREE
from models.packages.package import BUNDLED
from tests.trainer.adapting import toy
from trainer.cli import app

PERMISSIVE = BUNDLED / FREE
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


def test_evaluate__the_package_twice__gives_the_same_digits_which_are_those_of_its_card(done, tmp_path):
    data, out = done
    folder, report = out / "packages" / "carotid", tmp_path / "report.html"
    command = ["evaluate", str(folder), "--data", str(data), "--json"]
    first = CliRunner().invoke(app, [*command, "--check", "--report", str(report), "--beside", str(folder)])
    assert first.exit_code == 0, first.output
    told, again = json.loads(first.stdout), json.loads(CliRunner().invoke(app, command).stdout)
    assert [again[key] for key in ("figures", "subgroups", "false_marks")] == [
        told[key] for key in ("figures", "subgroups", "false_marks")
    ]
    card = yaml.safe_load((folder / "card.yaml").read_text())
    assert [(f["name"], round(f["value"], 4)) for f in told["figures"]] == [
        (f["name"], f["value"]) for f in card["figures"]
    ]
    kept, own = told["beside"]  # the baseline that comes with the repository, and what was asked for
    assert kept["name"].startswith("a convolutional network")
    assert (own["name"], own["figures"]) == ("packages/carotid", told["figures"])
    assert {(g["trait"], g["value"]) for g in told["subgroups"] if g["trait"] == "device"} == {
        ("device", "scanner A"),
        ("device", "scanner B"),
    }
    assert all(group["too_small"] for group in told["subgroups"])
    page = report.read_text()
    assert all(words in page for words in ("Groups of pictures", "2, too few", "packages/carotid", "scanner A"))


def test_evaluate__a_card_that_says_otherwise__exits_1_and_names_the_figure(done, tmp_path):
    data, out = done
    shutil.copytree(out / "packages", tmp_path / "packages")
    folder = tmp_path / "packages" / "carotid"
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["figures"][0] |= {"value": 12.5}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    command = ["evaluate", str(folder), "--data", str(data)]
    result = CliRunner().invoke(app, [*command, "--check"])
    assert result.exit_code == 1
    assert f"{card['figures'][0]['name']}, carotid_cca test: 12.5" in result.stderr
    mended = CliRunner().invoke(app, [*command, "--write", "--check"])
    assert mended.exit_code == 0, mended.output


def test_evaluate__a_bundled_package__tells_its_figures_and_its_groups(tmp_path):
    data = toy.make(tmp_path, "hc18", {"train": 4, "test": 4})
    told = CliRunner().invoke(app, ["evaluate", str(PERMISSIVE / "fetal-head"), "--data", str(data), "--json"])
    assert told.exit_code == 0, told.output
    names = [figure["name"] for figure in json.loads(told.stdout)["figures"]]
    assert "fetal head Dice, said or withheld" in names
    assert "fetal head Dice, silence counted as 0" in names
    assert "phantom stills, seeds 0 to 1" in {figure["data"] for figure in json.loads(told.stdout)["figures"]}
    assert {group["trait"] for group in json.loads(told.stdout)["subgroups"]} == {"device", "size"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "spleen"], "there is no task 'spleen'"),
        (["--task", "carotid", "--method", "magic"], "--method is frozen, lora, full"),
        (["--task", "carotid", "--task", "view"], "one by one"),
        ([], "one by one: say --task with one of fetal-head, breast-lesion, carotid"),
        (["--task", "liver-mass"], "there is no"),
        (["--task", "carotid", "--baseline", "luck"], "--baseline is scratch or cnn"),
    ],
)
def test_adapt__what_cannot_be_done__is_refused_in_words(words, says, done, tmp_path):
    data, _ = done
    result = CliRunner().invoke(app, ["adapt", "--data", str(data), "--out", str(tmp_path), *words])
    assert result.exit_code != 0
    assert says in " ".join(result.output.replace("│", " ").split())
