"""`models`: what is there, on what it stands, what its data allow, and whether it is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import Result

from models.encoder.factory import create_encoder
from models.packages.adapters import new_adapter
from models.packages.card import Figure
from node.config import load_settings
from node.installed import installed, tell_packages
from node.logs import PlainFormatter
from tests.models.built import FREE, NON_COMMERCIAL, encoder_package, fresh_encoder, outline_card, outline_package

Invoke = Callable[..., Result]


@pytest.fixture
def site(config: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two tasks on one encoder, one of them adapted and of non-commercial data; nothing is bundled."""
    folder = config.parent / "var" / "packages"
    monkeypatch.setattr("models.packages.package.BUNDLED", config.parent / "nothing")
    network = fresh_encoder()
    encoder = encoder_package(folder / "encoders", network)
    outline_package(folder / "free", encoder, outline_card("free"))
    card = outline_card("closed")
    card = card.model_copy(update={"training": card.training.model_copy(update={"data": (FREE, NON_COMMERCIAL)})})
    outline_package(folder / "closed", encoder, card, new_adapter(network, 2, 4.0, ("attn.qkv",)))
    return SimpleNamespace(folder=folder, encoder=encoder)


def document(answer: Result) -> dict:
    return json.loads(answer.stdout)


def test_models_list__as_table__tells_encoders_users_and_data(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    answer = invoke("models", "list", "--config", config)
    assert answer.exit_code == 0
    words = " ".join(answer.stdout.split())
    assert f"echocare_tiny {site.encoder.digest[:19]} + adapter non-commercial" in words
    assert "closed, free permissive" in words
    assert "closed: trained on data that is not free for every use" in words
    assert "Closed Heads (non-commercial: CC BY-NC-SA 4.0)" in words
    assert "free: trained" not in words


def test_models_list__trial_on_its_card__says_so_and_why(invoke: Invoke, config: Path, site: SimpleNamespace) -> None:
    outline_package(site.folder / "tried", site.encoder, outline_card("tried", trial="Dice 0.45"))
    assert "tried: a trial, nobody should rely on it: Dice 0.45" in invoke("models", "list", "--config", config).stdout
    found = document(invoke("models", "list", "--json", "--config", config))
    assert {each["task"]: each["trial"] for each in found["packages"]} == {
        "closed": None,
        "free": None,
        "tried": "Dice 0.45",
    }


def test_models_list__figures_on_a_card__shows_those_that_stand_for_it_of_the_own_data(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    own = Figure(name="Dice", data="own test", value=0.912, low=0.9, high=0.925, n=98)
    away = own.model_copy(update={"data": "another site", "value": 0.5})
    other = own.model_copy(update={"name": "HD95"})
    card = outline_card("measured", figures=(other, own, away), headline=("Dice", "AUC"))
    outline_package(site.folder / "measured", site.encoder, card)
    words = " ".join(invoke("models", "list", "--config", config).stdout.split())
    assert "measured Dice 0.912 0.9 to 0.925 98 own test" in words
    assert "another site" not in words
    assert "HD95" not in words
    found = document(invoke("models", "list", "--json", "--config", config))
    (figures,) = [each["figures"] for each in found["packages"] if each["task"] == "measured"]
    assert [each["value"] for each in figures] == [0.912]


def test_models_list__as_json__tells_encoders_users_and_data(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    found = document(invoke("models", "list", "--json", "--config", config))
    assert {each["task"]: (each["use"], each["adapter"]) for each in found["packages"]} == {
        "closed": ("non-commercial", "lora"),
        "free": ("permissive", None),
    }
    (encoder,) = found["encoders"]
    assert encoder["digest"] == site.encoder.digest
    assert encoder["used_by"] == ["closed", "free"]
    assert encoder["data"] == [{"name": "Open Heads", "licence": "CC BY 4.0", "use": "permissive"}]
    assert found["refusals"] == found["replaced"] == []


def test_models_list__encoder_damaged__refuses_it_and_what_stands_on_it(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    site.encoder.weights.write_bytes(b"nothing")
    answer = invoke("models", "list", "--config", config)
    assert answer.exit_code == 1
    assert [line[:9] for line in answer.stderr.splitlines()] == 3 * ["refused: "]


@pytest.mark.parametrize("by", ["name", "digest", "short"])
def test_models_show__an_encoder__by_name_or_digest(
    invoke: Invoke, config: Path, site: SimpleNamespace, by: str
) -> None:
    digest = site.encoder.digest
    name = {"name": "echocare_tiny", "digest": digest, "short": digest.partition(":")[2][:12]}[by]
    shown = document(invoke("models", "show", name, "--json", "--config", config))
    assert shown["card"]["origin"] == "drawn at random"
    assert "origin: drawn at random" in invoke("models", "show", name, "--config", config).stdout


def test_models_show__a_task__its_card(invoke: Invoke, config: Path, site: SimpleNamespace) -> None:
    shown = document(invoke("models", "show", "closed", "--json", "--config", config))
    assert shown["card"]["adapter"]["rank"] == 2
    assert shown["encoder"] == "echocare_tiny"


def test_models_show__name_of_two_encoders__asks_for_the_digest(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    encoder_package(site.folder / "encoders", fresh_encoder(1))
    answer = invoke("models", "show", "echocare_tiny", "--config", config)
    assert answer.exit_code == 1
    assert site.encoder.digest in answer.stderr


def test_models_verify__all_whole__says_so_of_each(invoke: Invoke, config: Path, site: SimpleNamespace) -> None:
    answer = invoke("models", "verify", "--config", config)
    assert answer.exit_code == 0
    assert answer.stdout.splitlines() == ["echocare_tiny: whole", "closed: whole", "free: whole"]


def test_models_verify__one_task__checks_it_and_its_encoder(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    found = document(invoke("models", "verify", "free", "--json", "--config", config))
    assert [each["task"] for each in found["packages"]] == ["free"]
    assert [each["digest"] for each in found["encoders"]] == [site.encoder.digest]


def test_models_verify__card_of_a_later_schema__says_update(
    invoke: Invoke, config: Path, site: SimpleNamespace
) -> None:
    card = site.folder / "free" / "card.yaml"
    card.write_text(card.read_text().replace("schema: 1", "schema: 7"))
    answer = invoke("models", "verify", "--config", config)
    assert answer.exit_code == 1
    assert "schema 7" in answer.stdout
    assert "update" in answer.stdout


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """As the release, of the tiny architecture."""
    torch.manual_seed(4)
    file = tmp_path / "echocare_encoder.pth"
    torch.save({**create_encoder("echocare_tiny").state_dict(), "mask_token": torch.zeros(1, 24, 1, 1)}, file)
    return file


def test_import_echocare__released_file__is_listed_and_whole(
    invoke: Invoke, config: Path, site: SimpleNamespace, released: Path
) -> None:
    answer = invoke("models", "import-echocare", released, "--config", config)
    assert answer.exit_code == 0
    assert "dropped: mask_token" in answer.stdout
    listed = document(invoke("models", "list", "--json", "--config", config))["encoders"]
    assert {each["use"] for each in listed} == {"permissive", "unclear"}
    assert invoke("models", "verify", "--config", config).exit_code == 0


def test_import_echocare__out_given__package_lies_there(
    invoke: Invoke, config: Path, tmp_path: Path, released: Path
) -> None:
    answer = invoke("models", "import-echocare", released, "--out", tmp_path / "here", "--json", "--config", config)
    done = document(answer)
    assert Path(done["path"]).parent == tmp_path / "here"
    assert done["dropped"] == ["mask_token"]
    assert done["tensors"]["in_file"] == done["tensors"]["stored"] + done["tensors"]["checked"] + len(done["dropped"])


def test_import_echocare__wrong_file__one_line_and_no_package(invoke: Invoke, config: Path, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    answer = invoke("models", "import-echocare", tmp_path / "other.pth", "--config", config)
    assert answer.exit_code == 1
    assert "fc.weight" in answer.stderr
    assert not (tmp_path / "var").exists()


@pytest.fixture
def bundled(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundled are one task on permissive and one on non-commercial data, and each has an encoder of its own."""
    root = config.parent / "bundled"
    monkeypatch.setattr("models.packages.package.BUNDLED", root)
    free = encoder_package(root / "permissive" / "encoders", fresh_encoder())
    outline_package(root / "permissive" / "free", free, outline_card("free"))
    limited = encoder_package(root / "non-commercial" / "encoders", fresh_encoder(1), NON_COMMERCIAL)
    outline_package(root / "non-commercial" / "closed", limited, outline_card("closed"))
    return root


@pytest.mark.parametrize(
    ("choice", "tasks", "encoders"), [("all", ["closed", "free"], 2), ("permissive", ["free"], 1), ("none", [], 1)]
)
def test_models_bundled__chosen__lists_these_alone(
    invoke: Invoke,
    config: Path,
    bundled: Path,
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    tasks: list[str],
    encoders: int,
) -> None:
    monkeypatch.setenv("ECHOCARE_NODE__MODELS__BUNDLED", choice)
    found = document(invoke("models", "list", "--json", "--config", config))
    assert [each["task"] for each in found["packages"]] == tasks
    assert len(found["encoders"]) == encoders
    assert found["refusals"] == []


def test_models_bundled__non_commercial_folder_removed__the_rest_stands(
    invoke: Invoke, config: Path, bundled: Path
) -> None:
    shutil.rmtree(bundled / "non-commercial")
    found = document(invoke("models", "list", "--json", "--config", config))
    assert [each["task"] for each in found["packages"]] == ["free"]
    assert found["refusals"] == []


def test_models_bundled__none__permissive_encoder_still_serves_the_sites_packages(
    invoke: Invoke, config: Path, bundled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOCARE_NODE__MODELS__BUNDLED", "none")
    own = config.parent / "var" / "packages" / "own"
    shutil.copytree(bundled / "permissive" / "free", own)
    found = document(invoke("models", "list", "--json", "--config", config))
    assert [each["path"] for each in found["packages"]] == [str(own)]


def test_node__packages_at_the_start__log_the_data_that_are_not_free_for_every_use(
    config: Path, bundled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (packages, _) = installed(load_settings(config, {}))
    with caplog.at_level("INFO"):
        tell_packages(packages)
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    line = PlainFormatter().format(warning)
    assert "task=closed" in line
    assert "Closed Heads (non-commercial: CC BY-NC-SA 4.0)" in line
