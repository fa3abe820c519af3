"""`send`, `doctor`, `rules test` and `models`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import Result

from integration.phantom import fetal_head, write_still
from integration.phantom.dicom import Identity
from tests.peers.dcmtk import storescp
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    identity = Identity(study="cli", series_number=1, instance_number=1)
    return write_still(fetal_head(3, 200, 300), tmp_path_factory.mktemp("still") / "head.dcm", identity)


def _change(config: Path, **sections: object) -> None:
    given = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**given, **sections}), encoding="utf-8")


def _checks(answer: Result) -> dict[str, tuple[bool, str]]:
    return {check["name"]: (check["sound"], check["words"]) for check in json.loads(answer.stdout)["checks"]}


def test_send__a_folder_with_other_files_in_it__sends_the_dicom_and_tells_the_rest(
    invoke: Invoke, still: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study" / "deep"
    folder.mkdir(parents=True)
    (folder / "head.dcm").write_bytes(still.read_bytes())
    (folder / "notes.txt").write_text("not DICOM")
    (folder / ".hidden").write_text("left out")
    with storescp(tmp_path / "scp") as scp:
        address = f"127.0.0.1:{scp.port}"
        answer = invoke("send", address, folder.parent, "--called", "STORESCP", "--json")
        assert len(scp.files) == 1
    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert document["sent"] == 1
    assert {Path(each["file"]).name: each["accepted"] for each in document["files"]} == {
        "head.dcm": True,
        "notes.txt": False,
    }


def test_send__nobody_listens__fails_with_the_reason(invoke: Invoke, still: Path) -> None:
    answer = invoke("send", f"127.0.0.1:{free_port()}", still)
    assert answer.exit_code == 1
    assert "no connection" in answer.stderr


def test_doctor__peer_down_and_port_taken_by_others__names_both(invoke: Invoke, config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        peer = {"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": free_port(), "connect_timeout_s": 1}
        _change(config, peers={"pacs": peer}, http={"port": taken.getsockname()[1]}, routes=[])
        answer = invoke("doctor", "--json", "--config", config)
    checks = _checks(answer)
    assert answer.exit_code == 1
    assert not checks["peer pacs"][0]
    assert "http.port" in checks["port for HTTP"][1]
    assert checks["disk"][0]
    assert checks["database"][0]
    assert checks["clock"][0]


def test_doctor__all_in_order__ends_with_zero(invoke: Invoke, config: Path) -> None:
    answer = invoke("doctor", "--json", "--config", config)
    assert answer.exit_code == 0, answer.stdout
    assert json.loads(answer.stdout)["sound"]


@pytest.mark.parametrize(("days", "sound"), [(400, True), (5, False), (-1, False)])
def test_doctor__certificate_near_its_end__is_told(invoke: Invoke, config: Path, days: int, sound: bool) -> None:
    cert, key = _certificate(config.parent, days)
    _change(config, listener={"dicom_port": free_port(), "tls": {"cert": str(cert), "key": str(key)}})
    checks = _checks(invoke("doctor", "--json", "--config", config))
    assert checks["certificate of the listener"][0] is sound


def test_rules_test__head_and_text_file__says_per_rule_matched_or_why_not(
    invoke: Invoke, config: Path, still: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not DICOM")
    routes = [
        {"name": "ultrasound", "when": 'instance.Modality == "US"', "task": "fetal-head"},
        {"name": "other-room", "when": 'calling_ae == "US9"', "task": "breast-lesion"},
    ]
    _change(config, routes=routes)
    document = json.loads(invoke("rules", "test", still, text, "--ae", "US1", "--json", "--config", config).stdout)
    found = {
        (Path(file["file"]).name, rule["route"]): rule["matched"]
        for file in document["files"]
        for rule in file["rules"]
    }
    assert found == {
        ("head.dcm", "ultrasound"): True,
        ("head.dcm", "other-room"): False,
        ("notes.txt", "ultrasound"): False,
        ("notes.txt", "other-room"): False,
    }
    assert all(rule["why"] for file in document["files"] for rule in file["rules"])
    assert not (tmp_path / "var").exists()


def test_rules_test__wrong_rule__ends_with_two_and_its_line(invoke: Invoke, config: Path, still: Path) -> None:
    config.write_text("routes:\n  - {name: a, when: 'instance.Modality ==', task: fetal-head}\n")
    answer = invoke("rules", "test", still, "--config", config)
    assert answer.exit_code == 2
    assert "echocare-node.yaml:2" in answer.stderr


def test_models__bundled_ones__are_listed_shown_and_whole(invoke: Invoke, config: Path) -> None:
    listed = json.loads(invoke("models", "list", "--json", "--config", config).stdout)
    assert {"fetal-head", "breast-lesion", "view"} <= {package["task"] for package in listed["packages"]}
    shown = json.loads(invoke("models", "show", "fetal-head", "--json", "--config", config).stdout)
    assert shown["card"]["intended_use"]
    verified = invoke("models", "verify", "--json", "--config", config)
    assert verified.exit_code == 0
    assert all(package["ok"] for package in json.loads(verified.stdout)["packages"])
    assert invoke("models", "show", "no-such-task", "--config", config).exit_code == 1


def test_models_verify__damaged_package__fails_with_the_reason(invoke: Invoke, config: Path) -> None:
    broken = config.parent / "var" / "packages" / "broken"
    broken.mkdir(parents=True)
    (broken / "card.yaml").write_text("task: broken\n")
    answer = invoke("models", "verify", "--json", "--config", config)
    assert answer.exit_code == 1
    reasons = [package["reason"] for package in json.loads(answer.stdout)["packages"] if not package["ok"]]
    assert len(reasons) == 1
    assert "schema" in reasons[0]


def _certificate(folder: Path, days: int) -> tuple[Path, Path]:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .sign(private, hashes.SHA256())
    )
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, key


def test_doctor__peers_over_http__says_of_each_whether_it_answers(invoke: Invoke, config: Path, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as pacs:
        url = f"http://127.0.0.1:{pacs.http_port}"
        peers = {
            "web": {"kind": "dicomweb", "url": f"{url}/dicom-web"},
            "rest": {"kind": "orthanc", "url": url},
            "elsewhere": {"kind": "dicomweb", "url": f"{url}/no-such-place"},
            "away": {"kind": "orthanc", "url": f"http://127.0.0.1:{free_port()}"},
            "unknown": {"kind": "orthanc", "url": url, "login": {"token_file": str(tmp_path / "gone")}},
        }
        _change(config, peers=peers, routes=[])
        checks = _checks(invoke("doctor", "--json", "--config", config))
    assert {name: checks[f"peer {name}"][0] for name in peers} == {
        "web": True, "rest": True, "elsewhere": False, "away": False, "unknown": False
    }  # fmt: skip
    assert "404" in checks["peer elsewhere"][1]
    assert "no connection" in checks["peer away"][1]
    assert "gone" in checks["peer unknown"][1]
